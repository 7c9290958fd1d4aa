/** `Idempotency-Key` of submitted tool outputs: who comes first asks the model, whoever comes later gets the same response. @module */
import { type Json, newId, SynthError } from "@synth/core";
import type { DocumentStore } from "@synth/core/storage";
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
/** How long the store keeps what it was asked the time with. */
const PROBE_MS = 1000;

/** What a claim says. */
interface ClaimValue {
  readonly v: 1;
  readonly fingerprint: string;
  readonly response: string;
  /** Milliseconds that whoever claims may take, by its own deadline. Absent in what an earlier version wrote. */
  readonly busyMs?: number;
  /** It was given back. */
  readonly free?: boolean;
}

/**
 * Claims a key in one round trip; two or three more only where it was used before. Whether a claim was left behind is decided by
 * the store's time alone: clocks of machines differ.
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
  const defaultBusyMs = request_deadline_s * 1000 + GRACE_MS;
  const value = {
    v: 1,
    fingerprint: fingerprint(asked),
    response: responseId,
    busyMs: defaultBusyMs,
  } as const;
  const ttlMs = hours * HOUR_MS;
  const claim = async (ifVersion: number): Promise<Claim | null> => {
    const put = await documents.put(org, COLLECTION, id, value, { ifVersion, ttlMs });
    if (put === null) return null;
    return {
      kind: "mine",
      async release() {
        try {
          // Not deleted: the version must not begin anew, or a late release would free another's claim.
          const free = { ...value, free: true };
          await documents.put(org, COLLECTION, id, free, { ifVersion: put.version, ttlMs });
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
  const first = before.value as Json as unknown as ClaimValue;
  if (first.free !== true) {
    if (first.fingerprint !== value.fingerprint) throw idempotencyConflict();
    const [found = "absent"] = await responses.load(org, [String(first.response)]);
    const stored = typeof found === "string" ? null : found.stored;
    if (stored !== null && stored.response.status !== "failed") return { kind: "done", stored };
    const busyMs = first.busyMs ?? defaultBusyMs;
    const abandoned = stored !== null ||
      await timeOf(documents, org) - before.updatedAt > busyMs;
    if (!abandoned) throw inProgress();
  }
  return await claim(before.version) ?? Promise.reject(inProgress());
}

/** The store's time, in milliseconds since the epoch: it is on whatever is written. */
async function timeOf(documents: DocumentStore, org: string): Promise<number> {
  const probe = newId("now_");
  const written = await documents.put(org, COLLECTION, probe, { v: 1 }, { ttlMs: PROBE_MS });
  return written?.updatedAt ?? 0;
}

function inProgress(): SynthError {
  return new SynthError("A request with this Idempotency-Key is being answered", {
    code: "idempotency_in_progress",
    status: 409,
    param: "Idempotency-Key",
    headers: { "retry-after": "2" },
  });
}
