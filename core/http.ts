/**
 * HTTP for our own clients and control calls: a deadline over everything, retries that are polite, bodies and JSON with limits.
 *
 * ```ts
 * import { fetchWithPolicy, readJsonLimited } from "@synth/core";
 *
 * const response = await fetchWithPolicy("http://127.0.0.1:8787/health", { deadlineMs: 5_000 });
 * const health = await readJsonLimited(response.body, { maxBytes: 65_536 });
 * ```
 *
 * @module
 */
import { type Clock, systemClock } from "./clock.ts";
import { SynthError } from "./errors.ts";
import { redactText } from "./redact.ts";

export * from "./http_body.ts";
export * from "./json.ts";

/** How one attempt ended: an answer, or an error before there was one. */
export type FetchOutcome = { response: Response; error?: never } | {
  response?: never;
  error: unknown;
};

/** How {@linkcode fetchWithPolicy} behaves. */
export interface FetchPolicy {
  /** @default {globalThis.fetch} */
  fetch?: typeof globalThis.fetch;
  /** @default {systemClock} */
  clock?: Clock;
  /** Milliseconds for all attempts, their waits, and the reading of the body. @default {30_000} */
  deadlineMs?: number;
  /** How often it is tried again at most. @default {2} */
  retries?: number;
  /**
   * Which outcomes are tried again. The default: network errors, 408, 429, 502, 503 and 504, when the method is idempotent (GET, HEAD, PUT,
   * DELETE, OPTIONS) or the request has an `Idempotency-Key`.
   */
  retryOn?: (outcome: FetchOutcome, request: Request) => boolean;
  /** Ends it early; rejects with the signal's reason. */
  signal?: AbortSignal;
  /** From [0, 1). @default {Math.random} */
  random?: () => number;
  /** A redirect can carry credentials away: by default it is an answer like others. @default {"manual"} */
  redirect?: RequestRedirect;
}

const BACKOFF_BASE_MS = 200;
const BACKOFF_CAP_MS = 10_000;
/** A longer wait than this is as good as never, and keeps far from the 2^31 of timers. */
const RETRY_AFTER_CAP_MS = 24 * 3600 * 1000;
const RETRIED_STATUSES = new Set([408, 429, 502, 503, 504]);
const IDEMPOTENT_METHODS = new Set(["GET", "HEAD", "PUT", "DELETE", "OPTIONS"]);
const IMF_FIXDATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/**
 * Fetches with a deadline and retries (exponential backoff, full jitter, `Retry-After` respected). The body of the request is held in memory, so
 * that it can be sent again. When the last attempt gives an answer, that answer is returned, whatever its status.
 *
 * @throws {SynthError} 504 `deadline_exceeded`; 503 `connection_failed` when no attempt got an answer
 */
export async function fetchWithPolicy(
  request: Request | URL | string,
  policy: FetchPolicy = {},
): Promise<Response> {
  const attempt = new Attempts(request instanceof Request ? request : new Request(request), policy);
  return await attempt.run();
}

class Attempts {
  readonly #request: Request;
  readonly #policy: FetchPolicy;
  readonly #clock: Clock;
  readonly #deadline: number;
  readonly #controller = new AbortController();
  #release: () => void = () => {};

  constructor(request: Request, policy: FetchPolicy) {
    this.#request = request;
    this.#policy = policy;
    this.#clock = policy.clock ?? systemClock;
    const ms = policy.deadlineMs ?? 30_000;
    this.#deadline = this.#clock.monotonic() + ms;
    this.#link(ms, [policy.signal, request.signal]);
  }

  async run(): Promise<Response> {
    let kept = false;
    try {
      const body = this.#request.body === null
        ? undefined
        : new Uint8Array(await this.#request.arrayBuffer());
      const response = await this.#tries(body);
      kept = response.body !== null;
      return kept ? this.#withDeadline(response) : response;
    } catch (error) {
      throw this.#controller.signal.aborted ? this.#controller.signal.reason : error;
    } finally {
      if (!kept) this.#release();
    }
  }

  async #tries(body: Uint8Array<ArrayBuffer> | undefined): Promise<Response> {
    const retries = this.#policy.retries ?? 2;
    const retryOn = this.#policy.retryOn ?? isRetried;
    for (let tried = 0;; tried++) {
      const outcome = await this.#once(body);
      const wait = tried < retries && retryOn(outcome, this.#request)
        ? this.#waitFor(tried, outcome)
        : undefined;
      if (wait === undefined) {
        if (outcome.response !== undefined) return outcome.response;
        throw outcome.error instanceof SynthError ? outcome.error : this.#failed(outcome.error);
      }
      await outcome.response?.body?.cancel();
      await this.#clock.sleep(wait, this.#controller.signal);
    }
  }

  async #once(body: Uint8Array<ArrayBuffer> | undefined): Promise<FetchOutcome> {
    const signal = this.#controller.signal;
    signal.throwIfAborted();
    try {
      const send = this.#policy.fetch ?? globalThis.fetch;
      return {
        response: await send(this.#request.url, {
          method: this.#request.method,
          headers: this.#request.headers,
          redirect: this.#policy.redirect ?? "manual",
          signal,
          ...(body === undefined ? {} : { body }),
        }),
      };
    } catch (error) {
      signal.throwIfAborted();
      return { error };
    }
  }

  /** Milliseconds until the next attempt; `undefined` when that would be too late. */
  #waitFor(tried: number, outcome: FetchOutcome): number | undefined {
    const random = this.#policy.random ?? Math.random;
    const jitter = random() * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** tried);
    const asked = outcome.response === undefined
      ? undefined
      : parseRetryAfter(outcome.response.headers, this.#clock.now());
    const wait = Math.max(jitter, asked ?? 0);
    return this.#clock.monotonic() + wait < this.#deadline ? wait : undefined;
  }

  /** Ends the request at the deadline, or with the caller's signals. */
  #link(ms: number, signals: (AbortSignal | undefined)[]): void {
    const undo: (() => void)[] = [
      this.#clock.after(ms, () =>
        this.#controller.abort(
          new SynthError(`No answer from ${this.#target()} within ${ms} ms`, {
            code: "deadline_exceeded",
            status: 504,
          }),
        )),
    ];
    for (const signal of signals) {
      if (signal === undefined) continue;
      const abort = () => this.#controller.abort(signal.reason);
      if (signal.aborted) abort();
      signal.addEventListener("abort", abort, { once: true });
      undo.push(() => signal.removeEventListener("abort", abort));
    }
    this.#release = () => undo.forEach((fn) => fn());
  }

  /** The same response; the deadline holds until its body is read or cancelled. */
  #withDeadline(response: Response): Response {
    const reader = response.body?.getReader();
    if (reader === undefined) return response;
    const release = this.#release;
    const signal = this.#controller.signal;
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start(controller) {
        const abort = (): void => {
          release();
          controller.error(signal.reason);
          reader.cancel(signal.reason).catch(() => {});
        };
        // The answer may come in the very turn in which the request was given up.
        if (signal.aborted) return abort();
        signal.addEventListener("abort", abort, { once: true });
      },
      async pull(controller) {
        try {
          const { value, done } = await reader.read();
          if (signal.aborted) return;
          if (!done) return controller.enqueue(value);
          release();
          controller.close();
        } catch (error) {
          release();
          controller.error(error);
        }
      },
      cancel(reason) {
        release();
        return reader.cancel(reason);
      },
    }, { highWaterMark: 0 });
    const { status, statusText, headers } = response;
    const wrapped = new Response(body, { status, statusText, headers });
    Object.defineProperty(wrapped, "url", { value: response.url });
    return wrapped;
  }

  #failed(cause: unknown): SynthError {
    return new SynthError(`Cannot reach ${this.#target()}`, {
      code: "connection_failed",
      status: 503,
      cause,
    });
  }

  /** Where it went, without what may be secret. */
  #target(): string {
    const url = new URL(this.#request.url);
    return redactText(url.origin + url.pathname);
  }
}

/** The default of {@linkcode FetchPolicy.retryOn}. */
function isRetried(outcome: FetchOutcome, request: Request): boolean {
  if (outcome.response !== undefined && !RETRIED_STATUSES.has(outcome.response.status)) {
    return false;
  }
  return IDEMPOTENT_METHODS.has(request.method) || request.headers.has("idempotency-key");
}

/**
 * How long an answer asks to wait, in milliseconds: `retry-after-ms`, else `retry-after` as seconds or as an HTTP date. At most 24 hours.
 *
 * @param now milliseconds since the epoch
 * @returns `undefined` when there is no such header, or none that makes sense
 */
export function parseRetryAfter(headers: Headers, now: number): number | undefined {
  const ms = parseCount(headers.get("retry-after-ms"));
  if (ms !== undefined) return Math.min(Math.ceil(ms), RETRY_AFTER_CAP_MS);
  const text = headers.get("retry-after");
  const seconds = parseCount(text);
  if (seconds !== undefined) return Math.min(Math.ceil(seconds * 1000), RETRY_AFTER_CAP_MS);
  if (text === null || !IMF_FIXDATE.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.min(Math.max(0, at - now), RETRY_AFTER_CAP_MS);
}

function parseCount(text: string | null): number | undefined {
  return text !== null && /^\d{1,15}(?:\.\d{1,9})?$/.test(text) ? Number(text) : undefined;
}
