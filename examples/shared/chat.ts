/** One call of a model over Chat Completions, and what may be wrong with the answer. @module */
import {
  fetchWithPolicy,
  type Json,
  parseJsonLimited,
  readJsonLimited,
  redactText,
  SynthError,
} from "@synth/core";
import type { Inference } from "./inference.ts";

/** A message of the conversation. */
export type ChatMessage = { role: string; [key: string]: unknown };

/** A call that the model made. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** `null`: they were no JSON object. */
  readonly arguments: { readonly [key: string]: Json } | null;
}

/** What the model answered; empty where it answered nothing that makes sense. */
export interface ModelAnswer {
  readonly text: string;
  readonly toolCalls: readonly ToolCall[];
  readonly finishReason: string | null;
  readonly usage: { readonly [key: string]: Json };
}

/** How a model is asked. */
export interface ModelCall {
  readonly inference: Inference;
  readonly messages: readonly ChatMessage[];
  /** `tools`, `tool_choice`, `response_format`. */
  readonly extra?: { readonly [name: string]: unknown };
  readonly signal: AbortSignal;
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** Milliseconds for the call with all its retries. @default {120_000} */
  readonly timeoutMs?: number;
}

const RETRIES = 6;
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
/** More calls in one answer are left out. */
const MAX_TOOL_CALLS = 8;
const MAX_TEXT = 16_384;

/**
 * Asks the model. A 429, a 503 and a connection that was never made are tried again, unless the endpoint says that it is of no use: a budget
 * that is used up stays so.
 *
 * @throws {SynthError} 502 `inference_failed`, `inference_unauthorized`; 429 `inference_budget_exceeded`; the signal's reason. What the model
 *   itself does wrong is no error: it is an answer, and scored.
 */
export async function askModel(call: ModelCall): Promise<ModelAnswer> {
  const { inference, messages, extra, signal } = call;
  const headers = new Headers({ "content-type": "application/json", accept: "application/json" });
  if (inference.apiKey !== null) headers.set("authorization", `Bearer ${inference.apiKey}`);
  const body = JSON.stringify({
    model: inference.model,
    messages,
    ...inference.settings,
    ...extra,
  });
  let response: Response;
  let answer: Json;
  try {
    response = await fetchWithPolicy(
      new Request(inference.url, { method: "POST", headers, body }),
      {
        retries: RETRIES,
        retryOn: ({ response }) => response === undefined || isRetried(response),
        deadlineMs: call.timeoutMs ?? 120_000,
        signal,
        ...(call.fetch === undefined ? {} : { fetch: call.fetch }),
      },
    );
    answer = await readJsonLimited(response.body, { maxBytes: MAX_ANSWER_BYTES, maxDepth: 64 })
      .catch((error: unknown): Json => {
        if (signal.aborted || (error instanceof SynthError && error.status === 504)) throw error;
        return null;
      });
  } catch (cause) {
    signal.throwIfAborted();
    const why = cause instanceof SynthError ? cause.message : "The connection broke";
    throw failed(`The model cannot be reached. ${why}`, cause);
  }
  if (!response.ok) {
    if (member(member(answer, "error"), "code") === "tool_use_failed") return EMPTY; // the model's fault
    throw refusal(response, answer);
  }
  const choices = member(answer, "choices");
  if (!Array.isArray(choices)) throw failed("The answer of the model's endpoint is no completion");
  return readChoice(choices[0], member(answer, "usage"), messages.length);
}

/** The JSON object that a text is or contains; `null` when there is none. */
export function jsonIn(text: string): { [key: string]: Json } | null {
  const from = text.indexOf("{");
  const to = text.lastIndexOf("}");
  if (from === -1 || to < from) return null;
  try {
    const value = parseJsonLimited(text.slice(from, to + 1), { maxDepth: 16, maxItems: 1000 });
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

const EMPTY: ModelAnswer = { text: "", toolCalls: [], finishReason: null, usage: {} };

function readChoice(
  choice: Json | undefined,
  usage: Json | undefined,
  turn: number,
): ModelAnswer {
  const message = member(choice, "message");
  const reason = member(choice, "finish_reason");
  const calls = member(message, "tool_calls");
  return {
    text: contentOf(member(message, "content")).slice(0, MAX_TEXT),
    toolCalls: (Array.isArray(calls) ? calls : []).slice(0, MAX_TOOL_CALLS)
      .map((call, index) => readCall(call, `call_${turn}_${index}`)),
    finishReason: typeof reason === "string" ? reason.slice(0, 64) : null,
    usage: isObject(usage) ? usage : {},
  };
}

/** Ids are ours: models give the same one twice, or none, and endpoints then refuse the history. */
function readCall(call: Json, id: string): ToolCall {
  const name = member(member(call, "function"), "name");
  const given = member(member(call, "function"), "arguments");
  const parsed = typeof given === "string" ? parse(given) : given;
  return {
    id,
    name: typeof name === "string" && /^[A-Za-z0-9_-]{1,64}$/.test(name) ? name : "invalid",
    arguments: isObject(parsed) ? parsed : null,
  };
}

function parse(text: string): Json {
  // Models leave the arguments out when a tool takes none.
  if (text.trim() === "") return {};
  try {
    return parseJsonLimited(text, { maxDepth: 16, maxItems: 1000 });
  } catch {
    return null;
  }
}

function contentOf(content: Json | undefined): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part) => member(part, "text")).filter((text) => typeof text === "string")
    .join("");
}

function isRetried(response: Response): boolean {
  return (response.status === 429 || response.status === 503) &&
    response.headers.get("x-should-retry") !== "false";
}

function refusal({ status, headers }: Response, answer: Json): SynthError {
  const error = member(answer, "error");
  const said = member(error, "message") ?? error;
  const why = typeof said === "string" ? `: ${redactText(said).slice(0, 300)}` : "";
  const message = `The model's endpoint answered ${status}${why}`;
  const details = { http_status: status };
  const final = headers.get("x-should-retry") === "false";
  if (status === 402 || (status === 429 && final)) {
    return new SynthError(message, {
      code: "inference_budget_exceeded",
      status: 429,
      details,
      hint: "Raise the limit of the session or the key, then roll out again",
      headers: { "x-should-retry": "false" },
    });
  }
  if (status === 401 || status === 403) {
    return new SynthError(message, {
      code: "inference_unauthorized",
      status: 502,
      details,
      hint: "Start the task app with the INFERENCE_API_KEY of the origin in INFERENCE_URL",
    });
  }
  return new SynthError(message, { code: "inference_failed", status: 502, details });
}

function failed(message: string, cause?: unknown): SynthError {
  return new SynthError(message, {
    code: "inference_failed",
    status: 502,
    hint: "Check the inference_url of the request, or INFERENCE_URL of the task app",
    cause,
  });
}

function member(value: Json | undefined, name: string): Json | undefined {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

function isObject(value: unknown): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
