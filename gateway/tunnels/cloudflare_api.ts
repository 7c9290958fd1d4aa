/** Requests to Cloudflare's API: no redirects, bounded answers, a deadline for each, polite retries; whatever is no proper answer is an error of ours. @module */
import { type Json, parseJsonLimited, readBodyLimited, SynthError } from "@synth/core";
import {
  answerError,
  garbledAnswer,
  providerTimeout,
  providerUnreachable,
} from "./provider_error.ts";
import type { TimeBudget } from "./time_budget.ts";

/** How the API is reached. */
export interface CloudflareApiOptions {
  /** Secret. */
  readonly apiToken: string;
  /** Without a slash at its end. */
  readonly apiUrl: string;
  readonly fetch: typeof fetch;
  /** Ends every request and every wait. */
  readonly budget: TimeBudget;
  /** From [0, 1), for the waits between tries. */
  readonly random: () => number;
}

/** One request. Segments of the path are ours or were checked to be ids. */
export interface CloudflareRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: object;
  /** Sent again also when it may have been carried out. @default {true} */
  readonly repeatable?: boolean;
}

/** Milliseconds for one request. */
const REQUEST_MS = 10_000;
const MAX_BYTES = 4 * 1024 * 1024;
const RETRIES = 2;
const BACKOFF_MS = 250;

/** A client of the API, for as long as its budget lasts. */
export class CloudflareApi {
  readonly #options: CloudflareApiOptions;

  constructor(options: CloudflareApiOptions) {
    this.#options = options;
  }

  /**
   * The `result` of the answer. 429 is tried again, since nothing was done; failures and broken connections only when the request is repeatable.
   *
   * @throws {SynthError} with a code that begins with `tunnel_provider_`, or `tunnel_hostname_in_use`
   */
  async call(request: CloudflareRequest): Promise<Json> {
    const { budget, random } = this.#options;
    for (let tried = 0;; tried++) {
      try {
        return await this.#send(request);
      } catch (error) {
        if (!(error instanceof SynthError)) throw error;
        if (tried === RETRIES || !isRepeated(error, request.repeatable ?? true)) throw error;
        const asked = 1000 * Number(error.headers["retry-after"] ?? 0);
        const wait = Math.max(asked, (0.5 + random()) * BACKOFF_MS * 2 ** tried);
        if (wait >= budget.left) throw error;
        await budget.clock.sleep(wait, budget.signal);
      }
    }
  }

  async #send({ method, path, query = {}, body }: CloudflareRequest): Promise<Json> {
    const { apiToken, apiUrl, budget, fetch: send } = this.#options;
    const { clock } = budget;
    const search = new URLSearchParams(query).toString();
    const headers = new Headers({
      accept: "application/json",
      authorization: `Bearer ${apiToken}`,
    });
    if (body !== undefined) headers.set("content-type", "application/json");
    const late = new AbortController();
    const stop = clock.after(REQUEST_MS, () => late.abort(providerTimeout()));
    const signal = AbortSignal.any([budget.signal, late.signal]);
    try {
      signal.throwIfAborted();
      const response = await send(`${apiUrl}${path}${search === "" ? "" : `?${search}`}`, {
        method,
        headers,
        redirect: "manual",
        signal,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const answer = parsed(await readBodyLimited(response.body, MAX_BYTES));
      if (!response.ok) throw answerError(response.status, answer, response.headers, clock.now());
      return resultOf(answer);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (!(error instanceof SynthError)) throw providerUnreachable(error);
      throw error.code === "body_too_large" ? garbledAnswer() : error;
    } finally {
      stop();
    }
  }
}

function isRepeated({ code }: SynthError, repeatable: boolean): boolean {
  if (code === "tunnel_provider_busy") return true;
  return repeatable &&
    (code === "tunnel_provider_failed" || code === "tunnel_provider_unreachable");
}

function parsed(bytes: Uint8Array): Json | null {
  try {
    return parseJsonLimited(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return null;
  }
}

/** An answer without `success` is taken too: the description of some routes has none. */
function resultOf(answer: Json | null): Json {
  if (typeof answer !== "object" || answer === null || Array.isArray(answer)) throw garbledAnswer();
  const { result, success } = answer;
  if (result === undefined || success === false) throw garbledAnswer();
  return result;
}
