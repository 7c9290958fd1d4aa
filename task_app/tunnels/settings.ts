/** The switches of tunnels in the environment. @module */
import { EXIT, type Logger, SynthError } from "@synth/core";

/** How patient the opening of a tunnel is. Times are milliseconds. */
export interface TunnelSettings {
  /** How often the program is started, unless the quick service limits its rate. */
  readonly attempts: number;
  /** Whether somebody has chosen `attempts`: it then bounds retries for the rate, too. */
  readonly attemptsChosen: boolean;
  /** How long the public URL may take. */
  readonly verifyMs: number;
  /** How long one request to it may take. */
  readonly perRequestMs: number;
  /** How long nobody asks for the new name: a resolver remembers that it was not there yet. */
  readonly initialDelayMs: number;
}

const DEFAULT_ATTEMPTS = 3;

/**
 * Reads `SYNTH_TUNNEL_MAX_ATTEMPTS` (3), else `SYNTH_TUNNEL_MAX_RETRIES` (2); `SYNTH_TUNNEL_DNS_TIMEOUT_SECS` (60), else
 * `SYNTH_TUNNEL_VERIFY_MAX_RETRIES` times `SYNTH_TUNNEL_VERIFY_DELAY_SECS` (30, 2); `SYNTH_TUNNEL_DNS_TIMEOUT_PER_ATTEMPT_SECS` (5);
 * `SYNTH_TUNNEL_VERIFY_INITIAL_DELAY_SECS` (1).
 *
 * @throws {SynthError} `invalid_tunnel_setting`, exit code 2
 */
export function readTunnelSettings(
  env: (name: string) => string | undefined,
  log: Logger,
): TunnelSettings {
  const tls = env("SYNTH_TUNNEL_VERIFY_TLS")?.trim().toLowerCase();
  if (tls !== undefined && ["0", "false", "no", "off"].includes(tls)) {
    log.warn("SYNTH_TUNNEL_VERIFY_TLS does nothing: certificates are always checked");
  }
  const attempts = number(env, "SYNTH_TUNNEL_MAX_ATTEMPTS", 1, 100);
  const retries = number(env, "SYNTH_TUNNEL_MAX_RETRIES", 0, 99);
  const seconds = number(env, "SYNTH_TUNNEL_DNS_TIMEOUT_SECS", 1, 3600);
  const tries = number(env, "SYNTH_TUNNEL_VERIFY_MAX_RETRIES", 1, 1000) ?? 30;
  const delay = number(env, "SYNTH_TUNNEL_VERIFY_DELAY_SECS", 0.01, 60) ?? 2;
  const perTry = number(env, "SYNTH_TUNNEL_DNS_TIMEOUT_PER_ATTEMPT_SECS", 0.1, 60) ?? 5;
  const initial = number(env, "SYNTH_TUNNEL_VERIFY_INITIAL_DELAY_SECS", 0, 60) ?? 1;
  return {
    attempts: Math.floor(attempts ?? (retries === undefined ? DEFAULT_ATTEMPTS : retries + 1)),
    attemptsChosen: attempts !== undefined || retries !== undefined,
    verifyMs: (seconds ?? Math.floor(tries) * delay) * 1000,
    perRequestMs: perTry * 1000,
    initialDelayMs: initial * 1000,
  };
}

function number(
  env: (name: string) => string | undefined,
  name: string,
  least: number,
  most: number,
): number | undefined {
  const text = env(name)?.trim();
  if (!text) return undefined;
  const value = Number(text);
  if (/^[0-9]{1,6}(?:\.[0-9]{1,6})?$/.test(text) && value >= least && value <= most) return value;
  throw new SynthError(`${name} has to be a number from ${least} to ${most}`, {
    code: "invalid_tunnel_setting",
    status: 400,
    exitCode: EXIT.usage,
  });
}
