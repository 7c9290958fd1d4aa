/** Reads chunks of Chat Completions from an upstream that may send anything. Nothing here throws. @module */
import type { Json } from "@synth/core";

/** A JSON object of unknown members. */
export type Fields = Record<string, unknown>;

/** The value as an object, or `null`. */
export function asFields(value: unknown): Fields | null {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? value as Fields
    : null;
}

/** The value as a string, or "". */
export function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** The same, also for a number or a boolean, which some upstreams send where text belongs. */
function scalarText(value: unknown): string {
  return typeof value === "number" || typeof value === "boolean" ? String(value) : asText(value);
}

/** Deeper values than this are no arguments of anything, and would break whoever walks through them. */
const MAX_DEPTH = 100;

/** A copy that every JSON reader takes: well-formed text, no cycle, `null` for what is nested absurdly deep. */
export function safeJson(value: unknown, depth = 0): Json {
  if (typeof value === "string") return value.toWellFormed();
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (typeof value === "boolean") return value;
  if (typeof value !== "object" || value === null || depth >= MAX_DEPTH) return null;
  if (Array.isArray(value)) return value.map((one) => safeJson(one, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key.toWellFormed(), safeJson(one, depth + 1)]),
  );
}

/**
 * The error that a chunk or a body is instead of an answer, or `null`: a member `error`, or a bare `{message, code}`.
 * Look at an upstream's first chunk with it to fail before anything was sent.
 */
export function errorOfChunk(value: unknown): unknown | null {
  const chunk = asFields(value);
  if (chunk === null) return null;
  const { error } = chunk;
  if (error !== undefined && error !== null && error !== false && error !== "") return error;
  const choice = Array.isArray(chunk.choices) ? asFields(chunk.choices[0]) : null;
  if (choice !== null && asFields(choice.error) !== null) return choice.error;
  const bare = chunk.choices === undefined && typeof chunk.message === "string" &&
    (chunk.code !== undefined || chunk.object === "error" || chunk.type === "error");
  return bare ? chunk : null;
}

/** A piece of a message's content: answer or thought. */
export interface ContentPiece {
  readonly thought: boolean;
  readonly text: string;
}

/** The pieces of `content` when it is an array of parts. */
export function contentPieces(parts: readonly unknown[]): ContentPiece[] {
  const pieces: ContentPiece[] = [];
  for (const part of parts) {
    const plain = scalarText(part);
    if (plain !== "") pieces.push({ thought: false, text: plain });
    const fields = asFields(part);
    if (fields === null) continue;
    const thought = fields.type === "thinking" || fields.type === "reasoning";
    const text = thought
      ? joined(fields.thinking ?? fields.text ?? fields.reasoning)
      : scalarText(fields.text);
    if (text !== "") pieces.push({ thought, text });
  }
  return pieces;
}

/** Whether {@linkcode contentPieces} knows what the part says, be it nothing. */
export function isReadablePart(part: unknown): boolean {
  const fields = asFields(part);
  if (fields === null) return typeof part !== "object";
  return fields.type === "thinking" || fields.type === "reasoning" ||
    typeof fields.text !== "object" && fields.text !== undefined;
}

/** Reasoning in a delta, whichever field it is in. Upstreams that fill several fields repeat themselves. */
export function reasoningText(delta: Fields, details: readonly Fields[]): string {
  const text = asText(delta.reasoning_content) || asText(delta.reasoning);
  if (text !== "" || details.length === 0) return text;
  return details.map((detail) => asText(detail.text) || asText(detail.summary)).join("");
}

/** `reasoning_details` of a delta. */
export function reasoningDetails(delta: Fields): Fields[] {
  const { reasoning_details } = delta;
  if (!Array.isArray(reasoning_details)) return [];
  return reasoning_details.filter((one) => asFields(one) !== null);
}

/** A tool delta, read defensively. */
export interface CallDelta {
  /** The upstream's index, or `null` when it sent none. */
  readonly index: number | null;
  readonly id: string;
  readonly name: string;
  readonly args: string;
  /** The arguments came as one object, not as text. */
  readonly whole: boolean;
  /** `args` is a custom tool's input itself, not JSON. */
  readonly plain: boolean;
}

/** One entry of `tool_calls`, or a legacy `function_call`; `null` when it says nothing. */
export function callDelta(value: unknown): CallDelta | null {
  const call = asFields(value);
  if (call === null) return null;
  const custom = asFields(call.custom);
  const body = custom ?? asFields(call.function) ?? call;
  const given = custom === null ? body.arguments : body.input;
  const whole = typeof given === "object" && given !== null;
  const args = whole ? JSON.stringify(safeJson(given)) : scalarText(given);
  const { index } = call;
  return {
    index: typeof index === "number" && Number.isSafeInteger(index) ? index : null,
    id: asText(call.id),
    name: scalarText(body.name),
    args,
    whole,
    plain: custom !== null,
  };
}

/** Log probabilities of a choice in the shape of the Responses API. */
export function logprobsOf(choice: Fields): Json[] {
  const content = asFields(choice.logprobs)?.content;
  if (!Array.isArray(content)) return [];
  const list: Json[] = [];
  for (const one of content) {
    const entry = logprob(one);
    if (entry === null) continue;
    const top = asFields(one)?.top_logprobs;
    const top_logprobs = Array.isArray(top) ? top.map(logprob).filter((t) => t !== null) : [];
    list.push({ ...entry, top_logprobs });
  }
  return list;
}

function logprob(value: unknown): { [key: string]: Json } | null {
  const fields = asFields(value);
  if (fields === null || typeof fields.token !== "string") return null;
  const bytes = Array.isArray(fields.bytes) ? fields.bytes : [];
  return {
    token: fields.token.toWellFormed(),
    logprob: typeof fields.logprob === "number" ? fields.logprob : 0,
    bytes: bytes.filter((byte): byte is number => typeof byte === "number"),
  };
}

/** Magistral nests: `thinking: [{type: "text", text}]`. */
function joined(value: unknown): string {
  if (!Array.isArray(value)) return asText(value);
  return value.map((part) => typeof part === "string" ? part : asText(asFields(part)?.text)).join(
    "",
  );
}
