/** Which failed attempts are tried again, on which lease, and when. Pure. @module */
import type { TransportError } from "./transport.ts";

/** Why an attempt gave no answer that can be used. */
export type UpstreamFailure =
  | {
    readonly kind: "http";
    readonly status: number;
    readonly headers: ReadonlyMap<string, string>;
    /** The first 64 KiB. */
    readonly body: string;
  }
  | { readonly kind: "network"; readonly error: TransportError };

/** `same`: nothing was billed, the lease holds. `new`: it may have been billed, the next attempt needs its own lease. */
export interface RetryDecision {
  readonly lease: "same" | "new";
  readonly delayMs: number;
}

/** Statuses that say "not processed". */
const REFUSED: ReadonlySet<number> = new Set([408, 409, 425, 429, 503]);
/** Statuses behind which a model may have worked. */
const MAYBE_BILLED: ReadonlySet<number> = new Set([500, 502, 504, 520, 522, 524, 529]);

const MAX_ATTEMPTS = 3;
const MAX_BILLED_ATTEMPTS = 2;
const BASE_DELAY_MS = 250;
/** Milliseconds that all waiting of one request may take. */
export const RETRY_BUDGET_MS = 10_000;

/** Whether an attempt that failed like this may have cost money. */
export function maybeBilled(failure: UpstreamFailure): boolean {
  if (failure.kind === "network") return failure.error.phase !== "connect";
  return failure.status < 400 || MAYBE_BILLED.has(failure.status) ||
    (failure.status > 504 && failure.status < 600);
}

/**
 * What to do after an attempt.
 *
 * @param attempt how many were made, from 1
 * @param waitedMs how long was waited between them so far
 * @param random from 0 to 1
 * @returns `null`: give up
 */
export function decideRetry(
  failure: UpstreamFailure,
  attempt: number,
  waitedMs: number,
  random: number,
): RetryDecision | null {
  if (attempt >= MAX_ATTEMPTS) return null;
  const billed = maybeBilled(failure);
  if (billed && attempt >= MAX_BILLED_ATTEMPTS) return null;
  if (failure.kind === "network" ? !isPassing(failure.error) : !isRetried(failure)) return null;
  const asked = failure.kind === "http" ? retryAfterMs(failure.headers) : null;
  const backoff = BASE_DELAY_MS * 2 ** (attempt - 1) * (0.75 + random / 2);
  const delayMs = Math.round(Math.max(backoff, asked ?? 0));
  if (waitedMs + delayMs > RETRY_BUDGET_MS) return null;
  return { lease: billed ? "new" : "same", delayMs };
}

/** Milliseconds of a `Retry-After` in seconds; `null` when there is none. Dates are not used by model servers. */
export function retryAfterMs(headers: ReadonlyMap<string, string>): number | null {
  const precise = Number(headers.get("retry-after-ms") ?? NaN);
  if (precise >= 0) return precise;
  const seconds = Number(headers.get("retry-after") ?? NaN);
  return seconds >= 0 ? seconds * 1000 : null;
}

function isPassing(error: TransportError): boolean {
  if (error.kind === "aborted" || error.kind === "protocol") return false;
  // Whoever waited for an answer until the time was up need not wait again.
  return error.phase === "connect" || error.kind !== "timeout";
}

function isRetried(failure: { status: number; body: string }): boolean {
  // An empty account does not fill up within seconds.
  if (failure.status === 429 && failure.body.includes("insufficient_quota")) return false;
  return REFUSED.has(failure.status) || MAYBE_BILLED.has(failure.status);
}
