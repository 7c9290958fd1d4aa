/** Waiting for the books, but not for ever. @module */
import type { RequestContext } from "../http/request_context.ts";
import { within } from "../within.ts";

/** Milliseconds that an answer waits for its settlement at most. */
const SETTLE_MS = 2000;

/**
 * Waits until a lease is settled, charged or given back. What takes longer goes on in the background, and what fails is logged: the answer is there and
 * paid for, and the lease that is left open is charged when it expires. Never rejects.
 */
export async function settledInTime(context: RequestContext, done: Promise<void>): Promise<void> {
  try {
    if (await within(context.clock, SETTLE_MS, done)) return;
    context.fields["settlement"] = "late";
    context.waitUntil(done);
  } catch (error) {
    context.fields["settlement"] = "failed";
    context.error = error instanceof Error ? error : new Error("settling failed");
  }
}
