/** `Idempotency-Key` of submitted tool outputs: who comes first asks the model, whoever comes later gets the same response. @module */
import { type Json, SynthError } from "@synth/core";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import { derivedId, fingerprint, idempotencyConflict } from "../sessions/api/idempotency.ts";
import type { StoredResponse } from "./stored_response.ts";

/** What is submitted. */
export interface Submission {
  readonly parent: string;
  readonly key: string;
  readonly asked: unknown;
  /** The id that the response gets if this submission is the first. */
  readonly responseId: string;
}

/** The answer there is, or the right to make it. */
export type Claim =
  | { readonly kind: "done"; readonly stored: StoredResponse }
  /** `release` gives the right back, after a failure. Never rejects. */
  | { readonly kind: "mine"; readonly release: () => Promise<void> };

const COLLECTION = "response_keys";
const HOUR_MS = 3_600_000;
/** Beyond the deadline of a request: a claim that is older was left behind by a gateway that ended. */
const GRACE_MS = 60_000;

/**
 * Claims a key in one round trip; a second and third only where it was used before.
 *
 * @throws {SynthError} 409 `idempotency_conflict` for another body, `idempotency_in_progress` while the first is being answered
 */
export async function claimSubmission(
  context: RequestContext,
  services: Services,
  submission: Submission,
): Promise<Claim> {
  const { documents, responses } = services;
  if (documents === null || responses === null) throw new Error("a parent was stored");
  const { org } = context.principal;
  const { parent, key, asked, responseId } = submission;
  const id = derivedId("rk_", context, ["submit_tool_outputs", parent, key]);
  const { responses_retention_hours: hours, request_deadline_s } = context.snapshot.config.gateway;
  const value = { v: 1, fingerprint: fingerprint(asked), response: responseId };
  const ttlMs = hours * HOUR_MS;
  const claim = async (ifVersion: number): Promise<Claim | null> => {
    const put = await documents.put(org, COLLECTION, id, value, { ifVersion, ttlMs });
    if (put === null) return null;
    return {
      kind: "mine",
      async release() {
        try {
          await documents.delete(org, COLLECTION, id, { ifVersion: put.version });
        } catch (error) {
          context.error ??= error instanceof Error ? error : null;
        }
      },
    };
  };
  const fresh = await claim(0);
  if (fresh !== null) return fresh;
  const before = await documents.get(org, COLLECTION, id);
  if (before === null) return await claim(0) ?? Promise.reject(inProgress());
  const first = before.value as { [name: string]: Json };
  if (first["fingerprint"] !== value.fingerprint) throw idempotencyConflict();
  const [found = "absent"] = await responses.load(org, [String(first["response"])]);
  const stored = typeof found === "string" ? null : found.stored;
  if (stored && stored.response.status !== "failed") return { kind: "done", stored };
  const age = context.clock.now() - before.updatedAt;
  const abandoned = stored?.response.status === "failed" ||
    age > request_deadline_s * 1000 + GRACE_MS;
  if (!abandoned) throw inProgress();
  return await claim(before.version) ?? Promise.reject(inProgress());
}

function inProgress(): SynthError {
  return new SynthError("A request with this Idempotency-Key is being answered", {
    code: "idempotency_in_progress",
    status: 409,
    param: "Idempotency-Key",
    headers: { "retry-after": "2" },
  });
}
