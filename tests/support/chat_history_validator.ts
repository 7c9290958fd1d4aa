/**
 * Judges the messages of a Chat Completions request by the rules that the strictest servers keep. It knows nothing of the implementation
 * and imports none of it.
 *
 * @module
 */

/** What an upstream allows beyond the strictest. */
export interface HistoryRules {
  /** System messages anywhere. */
  readonly midSystem?: boolean;
  /** Parts in tool messages. */
  readonly toolParts?: boolean;
  /** The form of tool call ids. */
  readonly callId?: RegExp;
  /** Arguments that are not JSON. */
  readonly badArguments?: boolean;
}

const KEYS: Record<string, readonly string[]> = {
  system: ["role", "content"],
  developer: ["role", "content"],
  user: ["role", "content"],
  tool: ["role", "content", "tool_call_id"],
  assistant: [
    "role",
    "content",
    "refusal",
    "tool_calls",
    "reasoning",
    "reasoning_content",
    "reasoning_details",
  ],
};

type Fields = { [key: string]: unknown };

/** All that is wrong, each with the place; empty when nothing is. */
export function historyFaults(messages: unknown, rules: HistoryRules = {}): string[] {
  if (!Array.isArray(messages)) return ["messages is no array"];
  const faults: string[] = [];
  const seenIds = new Set<string>();
  let waiting: string[] = [];
  let before = "";
  messages.forEach((message: unknown, at) => {
    const fault = (text: string) => void faults.push(`messages[${at}]: ${text}`);
    if (!isFields(message)) return fault("no object");
    const role = String(message["role"]);
    const keys = KEYS[role];
    if (keys === undefined) return fault(`role ${role}`);
    for (const key of Object.keys(message)) {
      if (!keys.includes(key)) fault(`foreign member ${key}`);
      if (message[key] === undefined) fault(`undefined member ${key}`);
    }
    if (role === "tool") {
      const expected = waiting.shift();
      if (expected === undefined) fault("a tool message that no call waits for");
      else if (expected !== message["tool_call_id"]) fault(`not the output of ${expected}`);
    } else {
      if (waiting.length > 0) fault(`the outputs of ${waiting} are missing`);
      waiting = [];
    }
    if ((role === "system" || role === "developer") && at > 0 && rules.midSystem !== true) {
      fault("a system message that is not the first");
    }
    if (role === "assistant" && before === "assistant") fault("two assistant messages in a row");
    before = role;
    contentFaults(role, message, rules).forEach(fault);
    if (role === "assistant" && message["tool_calls"] !== undefined) {
      waiting = callIds(message["tool_calls"], rules, seenIds, fault);
    }
  });
  if (waiting.length > 0) faults.push(`end: the outputs of ${waiting} are missing`);
  return faults;
}

function contentFaults(role: string, message: Fields, rules: HistoryRules): string[] {
  const { content } = message;
  if (typeof content === "string") {
    const mayBeEmpty = role === "tool" || (role === "assistant" && isActing(message));
    return content === "" && !mayBeEmpty ? ["empty content"] : [];
  }
  if (content === null) {
    return role === "assistant" && isActing(message) ? [] : ["no content"];
  }
  if (!Array.isArray(content)) return ["content of another type"];
  if (role !== "user" && !(role === "tool" && rules.toolParts === true)) {
    return ["parts in a message that takes text only"];
  }
  if (content.length === 0) return ["no parts"];
  return content.flatMap(partFaults);
}

function isActing(message: Fields): boolean {
  return message["tool_calls"] !== undefined || typeof message["refusal"] === "string";
}

function partFaults(part: unknown): string[] {
  if (!isFields(part)) return ["a part that is no object"];
  switch (part["type"]) {
    case "text":
      return typeof part["text"] === "string" && part["text"] !== "" ? [] : ["an empty text part"];
    case "image_url": {
      const image = part["image_url"];
      const url = isFields(image) ? String(image["url"]) : "";
      return /^(https?:\/\/|data:image\/)/i.test(url) ? [] : ["an image without URL"];
    }
    case "input_audio":
    case "file":
      return isFields(part[part["type"]]) ? [] : ["an empty part"];
    default:
      return [`a foreign part ${String(part["type"])}`];
  }
}

function callIds(
  calls: unknown,
  rules: HistoryRules,
  seen: Set<string>,
  fault: (text: string) => void,
): string[] {
  if (!Array.isArray(calls) || calls.length === 0) {
    fault("tool_calls is empty");
    return [];
  }
  const ids: string[] = [];
  for (const call of calls as unknown[]) {
    if (!isFields(call) || typeof call["id"] !== "string" || call["id"] === "") {
      fault("a call without id");
      continue;
    }
    const id = call["id"];
    if (seen.has(id)) fault(`a second call ${id}`);
    if (rules.callId !== undefined && !rules.callId.test(id)) fault(`an id of another form: ${id}`);
    seen.add(id);
    ids.push(id);
    bodyFaults(call, rules).forEach(fault);
  }
  return ids;
}

function bodyFaults(call: Fields, rules: HistoryRules): string[] {
  const body = call["type"] === "custom" ? call["custom"] : call["function"];
  if (!isFields(body)) return ["a call without body"];
  const faults: string[] = [];
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(String(body["name"]))) faults.push("a name that is not legal");
  const text = call["type"] === "custom" ? body["input"] : body["arguments"];
  if (typeof text !== "string") faults.push("arguments that are no string");
  else if (call["type"] === "function" && rules.badArguments !== true && !isJson(text)) {
    faults.push("arguments that are no JSON");
  }
  return faults;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
