/** Waits until a task app answers. @module */
import { type Clock, EXIT, SynthError, systemClock } from "@synth/core";

const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 1000;
const REQUEST_TIMEOUT_MS = 5000;

/** What is asked, and for how long. */
export interface HealthOptions {
  /** The app's address; `/health` is asked. */
  readonly url: string;
  /** Sent as `X-API-Key` and as a bearer token. `null`: the app wants none. */
  readonly apiKey: string | null;
  /** More headers, such as those of an access proxy. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds. */
  readonly timeoutMs: number;
  /** Whether an answer of 400, 401 or 403 will do: for an app whose key is not known. @default {false} */
  readonly unauthorizedIsUp?: boolean;
  /** Whether refusals count as "not yet", as they may behind a tunnel that is being set up. @default {false} */
  readonly patient?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** @default {globalThis.fetch} */
  readonly fetch?: typeof globalThis.fetch;
}

/** How a request ended: a status, or why there was none. */
type Outcome = number | string;

/**
 * Asks `/health` until it answers 200.
 *
 * @throws {SynthError} `health_check_unauthorized` at once when the key is refused, `health_check_failed` after the time; the signal's reason
 */
export async function waitForHealth(options: HealthOptions): Promise<void> {
  const { clock = systemClock, timeoutMs, signal } = options;
  const end = clock.monotonic() + timeoutMs;
  for (let wait = FIRST_WAIT_MS;; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    signal?.throwIfAborted();
    const left = end - clock.monotonic();
    const outcome = await ask(options, clock, Math.max(1, Math.min(left, REQUEST_TIMEOUT_MS)));
    if (outcome === 200) return;
    const refused = outcome === 400 || outcome === 401 || outcome === 403;
    if (refused && options.unauthorizedIsUp) return;
    if (refused && !options.patient) throw unauthorized(options, outcome);
    if (clock.monotonic() + wait >= end) {
      throw refused ? unauthorized(options, outcome) : failed(options, outcome);
    }
    await clock.sleep(wait, signal);
  }
}

async function ask(options: HealthOptions, clock: Clock, timeoutMs: number): Promise<Outcome> {
  const { url, apiKey, headers, signal } = options;
  const late = new AbortController();
  const cancel = clock.after(timeoutMs, () => late.abort(new Error("it did not answer in time")));
  try {
    const response = await (options.fetch ?? fetch)(`${url}/health`, {
      headers: {
        ...(apiKey === null ? {} : { "x-api-key": apiKey, authorization: `Bearer ${apiKey}` }),
        ...headers,
      },
      // A redirect would carry the key away.
      redirect: "manual",
      signal: signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]),
    });
    await response.body?.cancel();
    return response.status;
  } catch (error) {
    signal?.throwIfAborted();
    const cause = late.signal.aborted ? late.signal.reason : error;
    return cause instanceof Error ? cause.message : String(cause);
  } finally {
    cancel();
  }
}

function unauthorized({ url, apiKey }: HealthOptions, status: number): SynthError {
  const which = apiKey === null ? "a request without a key" : "the key";
  return new SynthError(`Health check failed: ${url}/health refused ${which} (${status})`, {
    code: "health_check_unauthorized",
    status: 401,
    hint: "The app and its caller need the same key: set ENVIRONMENT_API_KEY for both, or apiKey",
  });
}

function failed({ url, timeoutMs }: HealthOptions, outcome: Outcome): SynthError {
  const last = typeof outcome === "number" ? `the last answer was ${outcome}` : outcome;
  return new SynthError(
    `Health check failed: ${url}/health did not answer 200 within ${timeoutMs} ms; ${last}`,
    {
      code: "health_check_failed",
      status: 503,
      exitCode: EXIT.checks,
      hint: "The app needs a route GET /health that answers 200 to its own key",
    },
  );
}
