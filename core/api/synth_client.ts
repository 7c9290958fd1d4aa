import type { z } from "zod";
import { SynthError } from "../errors.ts";
import { ErrorSchema } from "./error_schema.ts";
import { type Health, HealthSchema } from "./health_schema.ts";
import { type ModelList, ModelListSchema } from "./model_schema.ts";

/** Where a {@linkcode SynthClient} sends its requests. */
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

const MAX_ERROR_LENGTH = 500;

/**
 * Asks a gateway about itself. For inference use an OpenAI client with this base URL and `/v1`.
 *
 * ```ts ignore
 * const client = new SynthClient({ baseUrl: "http://127.0.0.1:8787", apiKey });
 * const { data } = await client.models();
 * ```
 */
export class SynthClient {
  readonly #options: SynthClientOptions;

  constructor(options: SynthClientOptions) {
    this.#options = options;
  }

  /** Whether the gateway and its store work. A degraded gateway answers too. */
  async health(): Promise<Health> {
    return await this.#call("GET", "/health", HealthSchema, [503]);
  }

  /** The models that can be asked for. */
  async models(): Promise<ModelList> {
    return await this.#call("GET", "/v1/models", ModelListSchema);
  }

  /** Makes the gateway read its configuration again. Needs the scope `admin`. */
  async reload(): Promise<void> {
    await this.#call("POST", "/admin/reload", null);
  }

  async #call<T>(
    method: string,
    path: string,
    schema: z.ZodType<T> | null,
    accepted: readonly number[] = [],
  ): Promise<T> {
    const { baseUrl, apiKey, fetch: fetcher = fetch, timeoutMs = 30_000 } = this.#options;
    let response: Response;
    let text: string;
    try {
      response = await fetcher(new URL(path, baseUrl), {
        method,
        headers: apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` },
        redirect: "manual",
        signal: AbortSignal.timeout(timeoutMs),
      });
      text = await response.text();
    } catch (cause) {
      throw new SynthError("The gateway cannot be reached", {
        code: "gateway_unreachable",
        status: 503,
        hint: "Is it running? `synth up` starts one",
        cause,
      });
    }
    const body = parsed(text);
    if (!response.ok && !accepted.includes(response.status)) throw errorOf(response.status, body);
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
