/** What a case is, and the words that all cases are written in. @module */
import { delta, finish, frame, role, text, usage } from "../chat_replies.ts";
import type { RawReply } from "../raw_http.ts";
import type { Rec } from "../response_shape.ts";

/** What the client must see. */
export interface Expectation {
  /** Status of the final response, or `http`: the stream is refused with an HTTP error too. */
  readonly status: "completed" | "incomplete" | "failed" | "http";
  /** The items, as {@linkcode describeOutput} writes them. */
  readonly output?: readonly string[];
  /** `incomplete_details.reason`. */
  readonly reason?: string;
  /** `error.code`: of the answer with `http`, of `response.failed` otherwise. */
  readonly code?: string;
  /** `error.code` of the unary answer to what fails in a stream. */
  readonly unaryCode?: string;
  /** Status of the unary answer (and of the stream with `http`). @default {200, or 502 for failed} */
  readonly http?: number;
  /** Input, output, cached and reasoning tokens. Absent: whatever, but complete. */
  readonly usage?: readonly [number, number, number, number];
}

/** One behaviour of an upstream. */
export interface ScriptedCase {
  readonly reply: (body: Rec) => RawReply;
  readonly expect: Expectation;
  /** The gateway gives up only after its idle time: set a short one. */
  readonly slow?: true;
  /** Retried by the gateway before it gives up. */
  readonly retried?: true;
}

/** Shared by many cases. */
export const USAGE = [11, 7, 3, 2] as const;
/** Shared by many cases. */
export const HELLO: Expectation = { status: "completed", output: ["message:Hello"], usage: USAGE };
/** Shared by many cases. */
export const ONE_CALL: Expectation = { status: "completed", output: ['function_call:f:{"a":1}'] };
/** Shared by many cases. */
export const TWO_CALLS: Expectation = {
  status: "completed",
  output: ['function_call:f:{"a":1}', 'function_call:g:{"b":2}'],
};
/** Shared by many cases. */
export const THOUGHT: Expectation = {
  status: "completed",
  output: ["reasoning:let me think", "message:answer"],
};
/** Shared by many cases. */
export const HELLO_FRAMES = [role(), text("Hel"), text("lo"), finish("stop"), usage()].map(frame);

/** An answer that does not depend on the request. */
export function fixed(
  expect: Expectation,
  reply: RawReply,
  more: Partial<ScriptedCase> = {},
): ScriptedCase {
  return { expect, reply: () => reply, ...more };
}

/** A chunk with one member of `tool_calls`, whatever its shape. */
export function toolCall(member: unknown, reason: string | null = null): Rec {
  return delta({ tool_calls: [member] }, reason);
}
