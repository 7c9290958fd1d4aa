/** The ledger for handlers: there, and with errors that say what is down. @module */
import { SynthError } from "@synth/core";
import type { Services } from "../../services.ts";
import type { SessionLedger } from "../ledger/ledger.ts";

/**
 * Asks the ledger.
 *
 * @throws {SynthError} 503 `budget_store_unavailable`; 501 `sessions_not_configured` on a gateway without a ledger
 */
export async function askLedger<T>(
  services: Services,
  ask: (ledger: SessionLedger) => Promise<T>,
): Promise<T> {
  if (services.ledger === null) {
    throw new SynthError("This gateway keeps no sessions and no budgets", {
      code: "sessions_not_configured",
      status: 501,
    });
  }
  try {
    return await ask(services.ledger);
  } catch (error) {
    if (!(error instanceof SynthError) || error.code !== "store_unavailable") throw error;
    throw new SynthError("The store that keeps the budgets cannot be reached", {
      code: "budget_store_unavailable",
      status: 503,
      hint: "Try again in a few seconds; with an Idempotency-Key nothing is done twice",
      headers: { "retry-after": "2" },
      cause: error,
    });
  }
}
