/** Storing a response before its last event goes out, but not at any price. @module */
import { SynthError } from "@synth/core";
import type { RequestContext } from "../http/request_context.ts";
import { within } from "../within.ts";
import type { ResponseStore } from "./response_store.ts";
import type { StoredResponse } from "./stored_response.ts";

/** Milliseconds that an answer waits for its store at most. */
const STORE_MS = 2000;
const HOUR_MS = 3_600_000;

/**
 * Keeps a response, so that the client can go on from it as soon as it has it. What takes longer goes on in the background; what
 * cannot be stored is logged as `stored` and answered all the same: the model has worked, and the answer is good. Never rejects.
 */
export async function keepResponse(
  context: RequestContext,
  store: ResponseStore,
  stored: StoredResponse,
): Promise<void> {
  const { responses_retention_hours: hours, responses_max_bytes: maxBytes } =
    context.snapshot.config.gateway;
  const { org } = context.principal;
  const saving = store.save(org, stored, { ttlMs: hours * HOUR_MS, maxBytes });
  try {
    if (await within(context.clock, STORE_MS, saving)) return;
    context.fields["stored"] = "late";
    context.waitUntil(saving.catch((error) => noteFailure(context, error)));
  } catch (error) {
    noteFailure(context, error);
  }
}

function noteFailure(context: RequestContext, error: unknown): void {
  const code = error instanceof SynthError ? error.code : "";
  const large = code === "response_too_large" || code === "document_too_large";
  context.fields["stored"] = large ? "too_large" : "failed";
  if (large) return;
  context.error = error instanceof Error ? error : new Error("storing failed");
}
