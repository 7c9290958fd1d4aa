/** How a session wants its requests refused: kept in its metadata. @module */
import type { SessionLedger } from "./ledger/ledger.ts";
import type { OnLimit } from "./refusal.ts";

/** The metadata key. */
export const ON_LIMIT_KEY = "synth.on_limit";

/** Reads a value of the API. */
export function isOnLimit(value: unknown): value is OnLimit {
  return value === "auto" || value === "error" || value === "message";
}

/** The wish of a session; `auto` when it has none, or when it cannot be read: a refusal must not fail for its looks. */
export async function onLimitOf(
  ledger: SessionLedger,
  org: string,
  sessionId: string | null,
): Promise<OnLimit> {
  if (sessionId === null) return "auto";
  try {
    const session = await ledger.getSession(org, sessionId);
    const wish = session?.metadata[ON_LIMIT_KEY];
    return isOnLimit(wish) ? wish : "auto";
  } catch {
    return "auto";
  }
}
