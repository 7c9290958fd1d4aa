/** What went wrong at the provider, in our words: nothing of its answers but their numbers is passed on. @module */
import { type Json, parseRetryAfter, SynthError } from "@synth/core";

/** Numbers by which Cloudflare says that a name is in use in the zone. */
const NAME_IN_USE: ReadonlySet<number> = new Set([81053, 81054, 81056, 81057, 81058]);
/** Numbers by which it says, with whatever status, that a token is none of its own or may not. */
const TOKEN_FAULTS: ReadonlySet<number> = new Set([6003, 6111, 9109, 10000, 10001]);
const MAX_CODES = 8;

/** Codes of answers that mean: nothing was done. */
const REFUSALS: ReadonlySet<string> = new Set([
  "tunnel_provider_refused",
  "tunnel_provider_denied",
  "tunnel_provider_busy",
  "tunnel_hostname_in_use",
]);

/** Whether the provider certainly did nothing. Of every other error it is not known. */
export function wasRefused(error: unknown): boolean {
  return error instanceof SynthError && REFUSALS.has(error.code);
}

/** Whether the part that was asked for does not exist. */
export function wasMissing(error: unknown): boolean {
  return error instanceof SynthError && error.details["provider_status"] === 404;
}

/** The error for an answer that is not 2xx. @param now milliseconds since the epoch */
export function answerError(
  status: number,
  body: Json | null,
  headers: Headers,
  now: number,
): SynthError {
  const codes = codesOf(body);
  const details = { provider_status: status, provider_codes: codes };
  if (status === 429) {
    const ms = parseRetryAfter(headers, now) ?? 1000;
    return new SynthError("Cloudflare takes no more requests for now", {
      code: "tunnel_provider_busy",
      status: 503,
      hint: "Try again later",
      details,
      headers: { "retry-after": String(Math.ceil(ms / 1000)) },
    });
  }
  if (status === 401 || status === 403 || codes.some((code) => TOKEN_FAULTS.has(code))) {
    return new SynthError("Cloudflare does not accept the gateway's API token for this", {
      code: "tunnel_provider_denied",
      status: 502,
      hint: "The operator has to check the permissions of the token (docs/managed-tunnels.md)",
      details,
    });
  }
  if (status < 500 && status !== 408 && status !== 409) {
    if (codes.some((code) => NAME_IN_USE.has(code))) return nameInUse(details);
    return new SynthError("Cloudflare refused a step of the tunnel", {
      code: "tunnel_provider_refused",
      status: 502,
      details,
    });
  }
  return new SynthError("Cloudflare failed in a step of the tunnel", {
    code: "tunnel_provider_failed",
    status: 502,
    hint: "Try again later",
    details,
  });
}

/** The error for an answer that is none. */
export function garbledAnswer(): SynthError {
  return new SynthError("Cloudflare gave an answer that makes no sense", {
    code: "tunnel_provider_failed",
    status: 502,
    hint: "Try again later",
  });
}

/** The error for no answer in time. */
export function providerTimeout(): SynthError {
  return new SynthError("Cloudflare did not answer in time", {
    code: "tunnel_provider_timeout",
    status: 504,
    hint: "Try again later",
  });
}

/** The error for no connection, or one that broke. */
export function providerUnreachable(cause: unknown): SynthError {
  return new SynthError("Cloudflare cannot be reached", {
    code: "tunnel_provider_unreachable",
    status: 502,
    hint: "Try again later",
    cause,
  });
}

function nameInUse(details: { [key: string]: Json }): SynthError {
  return new SynthError("This name is taken", {
    code: "tunnel_hostname_in_use",
    status: 409,
    param: "subdomain",
    details,
  });
}

function codesOf(body: Json | null): number[] {
  if (typeof body !== "object" || body === null || Array.isArray(body)) return [];
  const { errors } = body;
  if (!Array.isArray(errors)) return [];
  const codes: number[] = [];
  for (const error of errors.slice(0, MAX_CODES)) {
    if (typeof error !== "object" || error === null || Array.isArray(error)) continue;
    const { code } = error;
    if (typeof code === "number" && Number.isSafeInteger(code)) codes.push(code);
  }
  return codes;
}
