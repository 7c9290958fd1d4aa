/** Whether and when a tunnel is tried again. @module */
import { SynthError } from "@synth/core";
import type { TunnelSettings } from "./settings.ts";
import { WORTH_ANOTHER } from "./verify_tunnel.ts";

const RATE_BASE_MS = 5_000;
const RATE_CAP_MS = 60_000;
const OTHER_BASE_MS = 500;

/**
 * Milliseconds until another attempt; `null`: there is none. When the quick service limits the rate, that goes on until the deadline, unless the
 * number of attempts was chosen.
 *
 * @param attempt the one that failed, from 1
 * @param random from [0, 1), for the jitter
 */
export function retryWait(
  error: unknown,
  attempt: number,
  settings: Pick<TunnelSettings, "attempts" | "attemptsChosen">,
  random: number,
): number | null {
  if (!(error instanceof SynthError)) return null;
  const more = attempt < settings.attempts;
  if (error.code === "tunnel_rate_limited") {
    if (!more && settings.attemptsChosen) return null;
    const most = Math.min(RATE_CAP_MS, RATE_BASE_MS * 2 ** Math.min(attempt - 1, 10));
    // Half of it is sure: asking again at once would only be counted.
    return most / 2 + random * (most / 2);
  }
  const transient = ["tunnel_ended", "tunnel_start_timeout", WORTH_ANOTHER].includes(error.code);
  if (!transient || !more) return null;
  return OTHER_BASE_MS * 2 ** (attempt - 1) * (0.5 + random / 2);
}
