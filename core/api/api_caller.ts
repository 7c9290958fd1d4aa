/** One call of our own API: key, deadline, errors as `SynthError`, answers checked. @module */
import type { z } from "zod";
import { SynthError } from "../errors.ts";
import { ErrorSchema } from "./error_schema.ts";

/** Where a client sends its requests. */
export interface SynthClientOptions {
  /** The gateway's URL, without `/api` or `/v1` behind it. */
  readonly baseUrl: string | URL;
  /** Sent as a bearer token. */
  readonly apiKey?: string;
  /** @default {globalThis.fetch} */
  readonly fetch?: typeof globalThis.fetch;
  /** Milliseconds for a whole call. @default {30_000} */
  readonly timeoutMs?: number;
}

/** What a call brings along. */
export interface CallOptions {
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Members that are `undefined` or `null` are left out. */
  readonly query?: Readonly<Record<string, string | number | boolean | null | undefined>>;
  /** Makes it safe to send again. */
  readonly idempotencyKey?: string | undefined;
  /** Statuses beside 2xx whose body is an answer too. */
  readonly accepted?: readonly number[];
}

/** Options of a verb that can be sent again. */
export interface Repeatable {
  /** 1 to 255 visible ASCII characters: the same key and body are carried out once. */
  readonly idempotencyKey?: string;
}

/** A page of a list. */
export interface PageQuery {
  /** 1 to 1000. @default {100} */
  readonly limit?: number;
  /** @default {0} */
  readonly offset?: number;
}

const MAX_ERROR_LENGTH = 500;

/** Makes the calls of the typed clients. */
export class ApiCaller {
  readonly #options: SynthClientOptions;

  constructor(options: SynthClientOptions) {
    this.#options = options;
  }

  /**
   * Calls, and checks the answer.
   *
   * @throws {SynthError} with the server's code and status; `gateway_unreachable`, `unexpected_answer`
   */
  async call<T>(
    method: string,
    path: string,
    schema: z.ZodType<T> | null,
    options: CallOptions = {},
  ): Promise<T> {
    const { response, text } = await this.#send(method, path, options);
    const body = parsed(text);
    const accepted = response.ok || options.accepted?.includes(response.status) === true;
    if (!accepted) throw errorOf(response.status, body);
    if (schema === null) return undefined as T;
    const checked = schema.safeParse(body);
    if (checked.success) return checked.data;
    if (!response.ok) throw errorOf(response.status, body);
    throw new SynthError("The gateway gave an answer that this version does not understand", {
      code: "unexpected_answer",
      status: 502,
      cause: checked.error,
    });
  }

  async #send(
    method: string,
    path: string,
    { body, query = {}, idempotencyKey }: CallOptions,
  ): Promise<{ response: Response; text: string }> {
    const { baseUrl, apiKey, fetch: fetcher = fetch, timeoutMs = 30_000 } = this.#options;
    const url = new URL(path, baseUrl);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined && value !== null) url.searchParams.set(name, String(value));
    }
    const headers = new Headers();
    if (apiKey !== undefined) headers.set("authorization", `Bearer ${apiKey}`);
    if (idempotencyKey !== undefined) headers.set("idempotency-key", idempotencyKey);
    if (body !== undefined) headers.set("content-type", "application/json");
    try {
      const response = await fetcher(url, {
        method,
        headers,
        redirect: "manual",
        signal: AbortSignal.timeout(timeoutMs),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { response, text: await response.text() };
    } catch (cause) {
      throw new SynthError(`The gateway cannot be reached at ${url.origin}`, {
        code: "gateway_unreachable",
        status: 503,
        hint: "Is it running? `synth up` starts one",
        cause,
      });
    }
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function errorOf(status: number, body: unknown): SynthError {
  const checked = ErrorSchema.safeParse(body);
  if (!checked.success) {
    return new SynthError(`The gateway answered ${status}`, { code: "gateway_error", status });
  }
  const { type, code, message, param, ...details } = checked.data.error;
  return new SynthError(message.slice(0, MAX_ERROR_LENGTH), {
    code,
    status,
    type,
    details,
    ...(param === null ? {} : { param }),
  });
}
