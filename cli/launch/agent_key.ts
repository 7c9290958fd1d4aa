/** A key for one run of an agent, that may infer and nothing else. @module */
import { type Clock, SynthError } from "@synth/core";
import type { KeysClient, LimitRequest } from "@synth/core/api";

/** What this needs of the API. */
export type KeyVerbs = Pick<KeysClient, "create" | "revoke">;

/** Milliseconds for which such a key works, unless its session has a time of its own. */
const LIFETIME_MS = 86_400_000;

/** A key in use. */
export interface AgentKey {
  readonly keyId: string;
  /** The key itself. */
  readonly key: string;
}

/**
 * Makes the key. It has the hard limits of its session too: an agent that leaves its session out cannot spend more.
 *
 * @throws {SynthError} as the gateway answers
 */
export async function makeAgentKey(
  keys: KeyVerbs,
  clock: Pick<Clock, "now">,
  sessionId: string,
  { limits, ttl_seconds: ttl }: {
    readonly limits?: readonly LimitRequest[] | null | undefined;
    readonly ttl_seconds?: number | null | undefined;
  },
): Promise<AgentKey> {
  const lifetime = ttl === undefined || ttl === null ? LIFETIME_MS : ttl * 1000;
  const { key_id: keyId, key } = await keys.create({
    name: `agent of ${sessionId}`,
    scopes: ["infer"],
    expires_at: new Date(clock.now() + lifetime).toISOString(),
    limits: (limits ?? []).filter(({ limit_type: type }) => type !== "soft"),
  });
  return { keyId, key };
}

/** Ends the key. Gives what stood in the way, `null` when it is ended. */
export async function endAgentKey(keys: KeyVerbs, keyId: string): Promise<string | null> {
  try {
    await keys.revoke(keyId);
    return null;
  } catch (error) {
    if (error instanceof SynthError && error.code === "key_not_found") return null;
    return error instanceof Error ? error.message : String(error);
  }
}
