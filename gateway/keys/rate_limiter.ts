/**
 * The rate limits of keys: requests a minute, and streams at the same time. Counted in this process (in Workers: in this isolate) and nowhere
 * else, so that they cost no round trip; docs/decisions/ says why, and which limit is exact across machines.
 *
 * @module
 */
import { type Clock, SynthError } from "@synth/core";
import type { Principal } from "@synth/core/auth";
import { MinuteWindow } from "./minute_window.ts";

/** What a key may that has no limits of its own; `null`: as much as it likes. */
export interface RateDefaults {
  readonly requestsPerMinute: number | null;
  readonly maxStreams: number | null;
}

/** Told of refusals. */
export interface RateObserver {
  rateLimited(limit: "requests" | "streams"): void;
}

/** Headers of an answer, named as OpenAI names them. */
export type RateHeaders = Readonly<Record<string, string>>;

interface KeyState {
  readonly window: MinuteWindow;
  streams: number;
}

/** Keys that are remembered before those that do nothing are forgotten. */
const MAX_IDLE_KEYS = 10_000;
/** Seconds after which a stream may have ended: nobody knows. */
const STREAM_RETRY_S = 2;
/** No waiting helps where the limit is 0. */
const NEVER: RateHeaders = { "x-should-retry": "false" };

/** Counts and refuses. */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #defaults: () => RateDefaults;
  readonly #observer: RateObserver;
  readonly #keys: Map<string, KeyState> = new Map();
  #streams = 0;

  constructor(clock: Clock, defaults: () => RateDefaults, observer: RateObserver) {
    this.#clock = clock;
    this.#defaults = defaults;
    this.#observer = observer;
  }

  /** Streams that are open, of all keys. */
  get streamsOpen(): number {
    return this.#streams;
  }

  /**
   * Counts one request of a key.
   *
   * @returns the headers of its answer; `null` for a key without such a limit
   * @throws {SynthError} 429 `rate_limited`; a refused request does not count
   */
  admit(principal: Principal): RateHeaders | null {
    const limit = principal.requestsPerMinute ?? this.#defaults().requestsPerMinute;
    if (limit === null) return null;
    const { window } = this.#of(principal.keyId);
    const now = this.#clock.monotonic();
    const count = window.count(now);
    if (count >= limit) {
      this.#observer.rateLimited("requests");
      throw tooManyRequests(limit, window, now);
    }
    window.add(now);
    return headersOf(limit, window, now);
  }

  /**
   * Opens a stream of a key.
   *
   * @returns what ends it; calling that again does nothing
   * @throws {SynthError} 429 `rate_limited`
   */
  openStream(principal: Principal): () => void {
    const limit = principal.maxStreams ?? this.#defaults().maxStreams;
    const state = limit === null ? null : this.#of(principal.keyId);
    if (limit !== null && state !== null) {
      if (state.streams >= limit) {
        this.#observer.rateLimited("streams");
        throw tooManyStreams(limit);
      }
      state.streams++;
    }
    this.#streams++;
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      this.#streams--;
      if (state !== null) state.streams--;
    };
  }

  #of(keyId: string): KeyState {
    const known = this.#keys.get(keyId);
    if (known !== undefined) return known;
    if (this.#keys.size >= MAX_IDLE_KEYS) this.#forgetIdle();
    const made: KeyState = { window: new MinuteWindow(), streams: 0 };
    this.#keys.set(keyId, made);
    return made;
  }

  #forgetIdle(): void {
    const now = this.#clock.monotonic();
    for (const [keyId, { window, streams }] of this.#keys) {
      if (streams === 0 && window.count(now) === 0) this.#keys.delete(keyId);
    }
  }
}

function headersOf(limit: number, window: MinuteWindow, now: number): Record<string, string> {
  return {
    "x-ratelimit-limit-requests": String(limit),
    "x-ratelimit-remaining-requests": String(Math.max(0, limit - window.count(now))),
    "x-ratelimit-reset-requests": duration(window.untilAtMost(0, now)),
  };
}

function tooManyRequests(limit: number, window: MinuteWindow, now: number): SynthError {
  if (limit === 0) {
    return refusal("This API key may send no requests", {
      limit: "requests_per_minute",
      value: limit,
    }, NEVER);
  }
  const seconds = Math.max(1, Math.ceil(window.untilAtMost(Math.max(0, limit - 1), now) / 1000));
  return refusal(
    `This API key may send ${limit} requests a minute: try again in ${seconds}s`,
    { limit: "requests_per_minute", value: limit },
    { "retry-after": String(seconds), ...headersOf(limit, window, now) },
  );
}

function tooManyStreams(limit: number): SynthError {
  if (limit === 0) {
    return refusal(
      "This API key may have no streams",
      { limit: "max_streams", value: limit },
      NEVER,
    );
  }
  return refusal(
    `This API key may have ${limit} streams at the same time: try again in ${STREAM_RETRY_S}s`,
    { limit: "max_streams", value: limit },
    { "retry-after": String(STREAM_RETRY_S) },
  );
}

function refusal(
  message: string,
  details: Record<string, string | number>,
  headers: RateHeaders,
): SynthError {
  return new SynthError(message, {
    code: "rate_limited",
    status: 429,
    type: "rate_limit_error",
    details,
    headers,
  });
}

/** As OpenAI writes it: `1m1s`, `12s`, `350ms`. */
function duration(ms: number): string {
  if (ms < 1000) return `${Math.ceil(ms)}ms`;
  const seconds = Math.ceil(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
