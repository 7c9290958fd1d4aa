/** How a turn ends (bridge.md 10). @module */
import type { IncompleteReason, ResponseError } from "../response_object.ts";

/** Why the gateway stopped feeding the machine. */
export type EndReason =
  /** `[DONE]`, or a whole body. */
  | "done"
  /** The connection ended without `[DONE]`. */
  | "eof"
  /** Nothing came for too long. */
  | "idle"
  /** The gateway's own limit on output (budget, bytes) was reached. */
  | "cut"
  /** The client is gone. */
  | "aborted"
  /** Anything else, with an error. */
  | "error";

/** The end of a turn, before it is known whether a call was completed. */
export type Ending =
  | { readonly kind: "normal" }
  | { readonly kind: "truncated"; readonly reason: IncompleteReason }
  /** Stopped by us: what is open is not to be used. */
  | { readonly kind: "cut"; readonly reason: IncompleteReason }
  | { readonly kind: "failed"; readonly error: ResponseError };

/** What is known at the end. */
export interface EndFacts {
  readonly end: EndReason;
  readonly error: ResponseError | undefined;
  /** The first finish reason that was sent, or `null`. */
  readonly finish: string | null;
  /** Whether the upstream sent anything of an answer. */
  readonly any: boolean;
}

const LENGTH = new Set([
  "length",
  "max_tokens",
  "max_output_tokens",
  "model_length",
  "model_context_window_exceeded",
]);
const FILTERED = new Set([
  "content_filter",
  "content_filtered",
  "sensitive",
  "safety",
  "recitation",
  "blocklist",
  "prohibited_content",
  "spii",
]);
const BROKEN = new Set(["error", "network_error", "insufficient_system_resource"]);

/** Chooses the ending. Unknown finish reasons are normal ones: a client must never be left without a terminal event. */
export function endingOf(facts: EndFacts): Ending {
  const { end, error, finish } = facts;
  if (end === "cut") return { kind: "cut", reason: "max_output_tokens" };
  if (end === "error") {
    return failed(error ?? serverError("The upstream failed"));
  }
  if (end === "idle") return failed(error ?? serverError("The upstream stopped sending"));
  if (end === "aborted") return failed(error ?? serverError("The client closed the connection"));
  const reason = finish?.toLowerCase() ?? null;
  if (reason === null && end === "eof") {
    return failed(serverError("The upstream's stream ended early"));
  }
  if (reason === null) {
    return facts.any ? { kind: "normal" } : failed(serverError("The upstream answered nothing"));
  }
  if (BROKEN.has(reason)) {
    return failed(serverError(`The upstream gave up with finish_reason "${reason}"`));
  }
  if (LENGTH.has(reason)) return { kind: "truncated", reason: "max_output_tokens" };
  if (FILTERED.has(reason)) return { kind: "truncated", reason: "content_filter" };
  return { kind: "normal" };
}

function failed(error: ResponseError): Ending {
  return { kind: "failed", error };
}

/** The error of a failed stream that clients try again. */
export function serverError(message: string): ResponseError {
  return { code: "server_error", message };
}
