/** The words of a Chat Completions answer, and the answers that are made of them. @module */
import type { RawReply, Step } from "./raw_http.ts";
import type { Rec } from "./response_shape.ts";

/** What every chunk of a stream repeats. */
const HEAD = {
  id: "chatcmpl-scripted",
  object: "chat.completion.chunk",
  created: 1_750_000_000,
  model: "scripted",
};

/** A chunk with this delta. */
export function delta(delta: Rec, finish_reason: string | null = null): Rec {
  return { ...HEAD, choices: [{ index: 0, delta, logprobs: null, finish_reason }] };
}

/** A chunk of text. */
export function text(content: string): Rec {
  return delta({ content });
}

/** The first chunk of most servers: the role and no text. */
export function role(): Rec {
  return delta({ role: "assistant", content: "" });
}

/** A chunk of a tool call; `id` and `name` come with the first one. */
export function call(index: number, args: string, id?: string, name?: string): Rec {
  const first = id === undefined ? {} : { id, type: "function" };
  const fn = name === undefined ? { arguments: args } : { name, arguments: args };
  return delta({ tool_calls: [{ index, ...first, function: fn }] });
}

/** The chunk that says why the model stopped. */
export function finish(reason: string): Rec {
  return delta({}, reason);
}

/** The usage object of Chat Completions. */
export function usageOf(input: number, output: number, cached = 0, reasoning = 0): Rec {
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    prompt_tokens_details: { cached_tokens: cached },
    completion_tokens_details: { reasoning_tokens: reasoning },
  };
}

/** The chunk without choices that carries the usage. */
export function usage(input = 11, output = 7, cached = 3, reasoning = 2): Rec {
  return { ...HEAD, choices: [], usage: usageOf(input, output, cached, reasoning) };
}

/** An error object in the middle of a stream. */
export function errorChunk(message: string, code: string | number = "server_error"): Rec {
  return { error: { message, type: "server_error", code } };
}

/** One event of a stream. */
export function frame(chunk: unknown): string {
  return `data: ${JSON.stringify(chunk)}\n\n`;
}

/** The end mark of a stream. */
export const DONE = "data: [DONE]\n\n";

/** A stream of these steps, each written by itself. Nothing is added. */
export function sse(steps: Step[], over: Partial<RawReply> = {}): RawReply {
  return { status: 200, headers: { "content-type": "text/event-stream" }, steps, ...over };
}

/** A complete stream of these chunks, with `[DONE]` at the end. */
export function stream(...chunks: Rec[]): RawReply {
  return sse([...chunks.map(frame), DONE]);
}

/** A turn that says this, piece by piece, and stops. */
export function say(...words: string[]): RawReply {
  return stream(role(), ...words.map(text), finish("stop"), usage());
}

/** A stream of these chunks that ends in a clean EOF without `[DONE]`. */
export function streamWithoutDone(...chunks: Rec[]): RawReply {
  return sse(chunks.map(frame));
}

/** A JSON answer. */
export function json(
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): RawReply {
  const type = { "content-type": "application/json" };
  return { status, headers: { ...type, ...headers }, steps: [JSON.stringify(body)] };
}

/** An error answer with an OpenAI body. */
export function httpError(
  status: number,
  message: string,
  code: string | null = null,
  headers: Record<string, string> = {},
): RawReply {
  const type = status < 500 ? "invalid_request_error" : "server_error";
  return json(status, { error: { message, type, code, param: null } }, headers);
}

/** A whole completion, the answer to `stream: false`. */
export function completion(
  message: Rec,
  finish_reason: string,
  usage: Rec = usageOf(11, 7, 3, 2),
): Rec {
  return {
    ...HEAD,
    object: "chat.completion",
    choices: [{
      index: 0,
      message: { role: "assistant", content: null, ...message },
      finish_reason,
    }],
    usage,
  };
}

/** A promise with its key: `{ wait: gate.promise }` holds an answer until `gate.open()`. */
export function gate(): { promise: Promise<void>; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { promise, open: resolve };
}
