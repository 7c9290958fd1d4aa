/** Whether a URL that someone else has set up leads to the task app. @module */
import { type Clock, EXIT, SynthError } from "@synth/core";
import { waitForHealth } from "./health.ts";

/** Milliseconds that a tunnel of someone else has to come up. */
const TIMEOUT_MS = 20_000;

/** What is asked. */
export interface PreconfiguredUrl {
  readonly url: string;
  readonly apiKey: string | null;
  /** Of the access proxy before it. */
  readonly headers: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** @default {globalThis.fetch} */
  readonly fetch?: typeof globalThis.fetch;
}

/** Asks `/health` through the URL. @throws {SynthError} `preconfigured_url_unreachable`, exit code 69 */
export async function verifyPreconfigured(target: PreconfiguredUrl): Promise<void> {
  try {
    await waitForHealth({ ...target, timeoutMs: TIMEOUT_MS, patient: true });
  } catch (cause) {
    if (!(cause instanceof SynthError)) throw cause;
    if (!cause.code.startsWith("health_check_")) throw cause;
    throw new SynthError(`The task app is not reached through ${target.url}: ${cause.message}`, {
      code: "preconfigured_url_unreachable",
      status: 503,
      exitCode: EXIT.unavailable,
      hint:
        "Check that the tunnel leads to the app's port; preconfiguredAuthHeader and preconfiguredAuthToken pass an access proxy; skipTunnelVerification goes without this check",
      cause,
    });
  }
}
