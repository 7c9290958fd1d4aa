/** The response object as a client sees it: every key, every status, every item. @module */

/** A JSON object of unknown members. */
export type Rec = Record<string, unknown>;

/** Whether a value is a JSON object. */
export function isRecord(value: unknown): value is Rec {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** JSON equality; the order of members does not count. */
export function deepEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((value, n) => deepEqual(value, b[n]));
  }
  if (!isRecord(a) || !isRecord(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && deepEqual(a[key], b[key]));
}

type Check = (value: unknown) => boolean;

const ITEM_STATUS = ["in_progress", "completed", "incomplete"];

/** Every member of the response object, always present. */
const MEMBERS: Record<string, Check> = {
  id: (v) => typeof v === "string" && /^resp_[A-Za-z0-9_-]+$/.test(v),
  object: (v) => v === "response",
  created_at: isInteger,
  completed_at: orNull(isInteger),
  status: (v) =>
    ["in_progress", "completed", "incomplete", "failed", "cancelled", "queued"].includes(String(v)),
  incomplete_details: orNull((v) =>
    isRecord(v) && ["max_output_tokens", "content_filter"].includes(String(v.reason))
  ),
  model: isText,
  previous_response_id: orNull(isText),
  instructions: orNull(isString),
  output: Array.isArray,
  error: orNull((v) => isRecord(v) && isText(v.code) && isText(v.message)),
  tools: Array.isArray,
  tool_choice: (v) => isText(v) || isRecord(v),
  truncation: isText,
  parallel_tool_calls: isBoolean,
  text: (v) => isRecord(v) && isRecord(v.format) && isText(v.format.type),
  top_p: isNumber,
  presence_penalty: isNumber,
  frequency_penalty: isNumber,
  top_logprobs: isInteger,
  temperature: isNumber,
  reasoning: (v) => isRecord(v) && "effort" in v && "summary" in v,
  usage: orNull(isRecord),
  max_output_tokens: orNull(isInteger),
  max_tool_calls: orNull(isInteger),
  store: isBoolean,
  background: isBoolean,
  service_tier: isText,
  metadata: isRecord,
  safety_identifier: orNull(isString),
  prompt_cache_key: orNull(isString),
  user: orNull(isString),
};

/** What is wrong with a response object, of a stream's event or of a unary answer. */
export function checkResponse(response: unknown): string[] {
  if (!isRecord(response)) return ["the response is not an object"];
  const problems: string[] = [];
  for (const [key, check] of Object.entries(MEMBERS)) {
    if (!Object.hasOwn(response, key)) problems.push(`response lacks ${key}`);
    else if (!check(response[key])) problems.push(`response.${key} is ${show(response[key])}`);
  }
  for (const key of Object.keys(response)) {
    if (!Object.hasOwn(MEMBERS, key)) problems.push(`response has the unknown member ${key}`);
  }
  problems.push(...checkStatus(response));
  if (isRecord(response.usage)) problems.push(...checkUsage(response.usage));
  const output = Array.isArray(response.output) ? response.output : [];
  output.forEach((item, n) =>
    problems.push(...checkItem(item).map((p) => `response.output[${n}] ${p}`))
  );
  return problems;
}

function checkStatus(response: Rec): string[] {
  const { status, error, incomplete_details, usage, completed_at } = response;
  const problems: string[] = [];
  if ((error !== null) !== (status === "failed")) problems.push(`error with status ${status}`);
  if ((incomplete_details !== null) !== (status === "incomplete")) {
    problems.push(`incomplete_details with status ${status}`);
  }
  if ((status === "completed" || status === "incomplete") && usage === null) {
    problems.push("a finished response without usage");
  }
  if (status === "completed" && completed_at === null) problems.push("completed_at is null");
  if ((status === "in_progress" || status === "failed") && completed_at !== null) {
    problems.push(`completed_at with status ${status}`);
  }
  return problems;
}

/** What is wrong with a usage object: every member is an integer and the sum is right. */
export function checkUsage(usage: Rec): string[] {
  const problems: string[] = [];
  const input = isRecord(usage.input_tokens_details) ? usage.input_tokens_details : {};
  const output = isRecord(usage.output_tokens_details) ? usage.output_tokens_details : {};
  const numbers: [string, unknown][] = [
    ["input_tokens", usage.input_tokens],
    ["input_tokens_details.cached_tokens", input.cached_tokens],
    ["input_tokens_details.cache_write_tokens", input.cache_write_tokens],
    ["output_tokens", usage.output_tokens],
    ["output_tokens_details.reasoning_tokens", output.reasoning_tokens],
    ["total_tokens", usage.total_tokens],
  ];
  for (const [name, value] of numbers) {
    if (!isInteger(value) || Number(value) < 0) problems.push(`usage.${name} is ${show(value)}`);
  }
  const sum = Number(usage.input_tokens) + Number(usage.output_tokens);
  if (Number(usage.total_tokens) !== sum) problems.push("usage.total_tokens is not the sum");
  if (Number(input.cached_tokens) > Number(usage.input_tokens)) {
    problems.push("more cached tokens than input tokens");
  }
  if (Number(output.reasoning_tokens) > Number(usage.output_tokens)) {
    problems.push("more reasoning tokens than output tokens");
  }
  return problems;
}

/** What is wrong with an output item. */
export function checkItem(item: unknown): string[] {
  if (!isRecord(item)) return ["is not an object"];
  const problems: string[] = [];
  const need = (key: string, ok: boolean) => {
    if (!ok) problems.push(`${String(item.type)}.${key} is ${show(item[key])}`);
  };
  need("id", isText(item.id));
  if (item.type !== "compaction") need("status", ITEM_STATUS.includes(String(item.status)));
  if ("namespace" in item) need("namespace", isText(item.namespace));
  switch (item.type) {
    case "message":
      need("role", item.role === "assistant");
      need("content", Array.isArray(item.content) && item.content.every(isMessagePart));
      break;
    case "reasoning":
      need("summary", isParts(item.summary, "summary_text"));
      if ("content" in item) need("content", isParts(item.content, "reasoning_text"));
      if ("encrypted_content" in item) need("encrypted_content", isText(item.encrypted_content));
      break;
    case "function_call":
      need("call_id", isText(item.call_id));
      need("name", isText(item.name));
      need("arguments", isString(item.arguments));
      break;
    case "custom_tool_call":
      need("call_id", isText(item.call_id));
      need("name", isText(item.name));
      need("input", isString(item.input));
      break;
    case "tool_search_call":
      need("call_id", isText(item.call_id));
      need("execution", item.execution === "client");
      need("arguments", isRecord(item.arguments));
      break;
    case "local_shell_call":
    case "shell_call":
      need("call_id", isText(item.call_id));
      need("action", isRecord(item.action));
      break;
    case "apply_patch_call":
      need("call_id", isText(item.call_id));
      need("operation", isRecord(item.operation));
      break;
    case "compaction":
      need("encrypted_content", isText(item.encrypted_content));
      break;
    default:
      problems.push(`has the unknown type ${show(item.type)}`);
  }
  return problems;
}

/** Whether a value is a part of a message: text with its two arrays, or a refusal. */
export function isMessagePart(part: unknown): boolean {
  if (!isRecord(part)) return false;
  if (part.type === "refusal") return isString(part.refusal);
  return part.type === "output_text" && isString(part.text) &&
    Array.isArray(part.annotations) && Array.isArray(part.logprobs);
}

function isParts(parts: unknown, type: string): boolean {
  return Array.isArray(parts) &&
    parts.every((part) => isRecord(part) && part.type === type && isString(part.text));
}

function orNull(check: Check): Check {
  return (value) => value === null || check(value);
}

function isString(value: unknown): value is string {
  return typeof value === "string";
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

function isNumber(value: unknown): boolean {
  return typeof value === "number" && Number.isFinite(value);
}

function isInteger(value: unknown): boolean {
  return Number.isSafeInteger(value);
}

function isBoolean(value: unknown): boolean {
  return typeof value === "boolean";
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? "missing";
}
