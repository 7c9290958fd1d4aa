/** `POST /proxy/v1/chat/completions` and `POST /proxy/groq/v1/chat/completions`: a vendor, with the task app's own key. @module */
import {
  decodeUtf8,
  fetchWithPolicy,
  type Json,
  parseJsonLimited,
  readBodyLimited,
  redactJson,
  SynthError,
} from "@synth/core";
import type { FreeObject } from "../../contract/free_object.ts";
import type { ProxyConfig, TaskAppConfig } from "../../contract/task_app_config.ts";
import { json } from "../answer.ts";
import type { TaskAppPorts } from "../options.ts";
import { readJson } from "../read_json.ts";
import { injectSystemHint, prepareForGroq, prepareForOpenAi } from "./prepare_payload.ts";
import { synthesizeToolCall } from "./tool_call_fallback.ts";

/** Whose models a proxy reaches. */
export interface Vendor {
  readonly label: string;
  readonly path: string;
  readonly keyName: string;
  /** The code of its refusals. */
  readonly code: string;
  readonly url: (proxy: ProxyConfig) => string;
  readonly enabled: (proxy: ProxyConfig) => boolean;
  readonly prepare: (payload: FreeObject) => FreeObject;
}

/** The vendors that can be reached. */
export const VENDORS: readonly Vendor[] = [{
  label: "OpenAI",
  path: "/proxy/v1/chat/completions",
  keyName: "OPENAI_API_KEY",
  code: "openai_error",
  url: (proxy) => proxy.openaiUrl ?? "https://api.openai.com/v1/chat/completions",
  enabled: (proxy) => proxy.enableOpenai === true,
  prepare: prepareForOpenAi,
}, {
  label: "Groq",
  path: "/proxy/groq/v1/chat/completions",
  keyName: "GROQ_API_KEY",
  code: "groq_error",
  url: (proxy) => proxy.groqUrl ?? "https://api.groq.com/openai/v1/chat/completions",
  enabled: (proxy) => proxy.enableGroq === true,
  prepare: prepareForGroq,
}];

const MAX_ANSWER = 32 * 1024 * 1024;
const MAX_SHOWN = 4096;

/**
 * One call. Nothing of the client's headers goes to the vendor, and the key comes from the environment alone. It is never tried again: a vendor
 * may have billed it.
 *
 * @throws {SynthError} 503 without a key; the vendor's status with `openai_error` or `groq_error`; 502 `vendor_error`; 504 `vendor_timeout`
 */
export async function proxyCall(
  request: Request,
  vendor: Vendor,
  config: TaskAppConfig,
  ports: TaskAppPorts,
): Promise<Response> {
  const proxy = config.proxy ?? {};
  const key = ports.env(vendor.keyName)?.trim();
  if (!key) {
    throw new SynthError(`The task app has no key of ${vendor.label}`, {
      code: `missing_${vendor.keyName.toLowerCase()}`,
      status: 503,
      hint: `Set ${vendor.keyName} where the task app runs`,
    });
  }
  const body = await readJson(request, config.limits ?? {}, ports.clock);
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new SynthError("The body must be a JSON object", { code: "invalid_type", status: 422 });
  }
  const hint = proxy.systemHint?.trim();
  const payload = vendor.prepare(hint ? injectSystemHint(body, hint) : body);
  const response = await call(request, vendor, key, payload, proxy, ports);
  if (response.status >= 300) throw await refused(response, vendor);
  const type = response.headers.get("content-type") ?? "";
  if (type.toLowerCase().includes("text/event-stream")) {
    return new Response(response.body, {
      status: response.status,
      headers: { "content-type": "text/event-stream", "cache-control": "no-store" },
    });
  }
  const answer = await read(response, vendor);
  if (typeof answer !== "object" || answer === null || Array.isArray(answer)) {
    return json({ raw: typeof answer === "string" ? answer : JSON.stringify(answer) });
  }
  return json(synthesizeToolCall(answer, payload), response.status);
}

async function call(
  request: Request,
  vendor: Vendor,
  key: string,
  payload: FreeObject,
  proxy: ProxyConfig,
  ports: TaskAppPorts,
): Promise<Response> {
  try {
    return await fetchWithPolicy(
      new Request(vendor.url(proxy), {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body: JSON.stringify(payload),
      }),
      {
        retries: 0,
        deadlineMs: (proxy.timeoutS ?? 600) * 1000,
        signal: request.signal,
        fetch: ports.fetch,
        clock: ports.clock,
      },
    );
  } catch (error) {
    throw transportError(error, vendor);
  }
}

/** The vendor's words: parsed when they are JSON, else as text. */
async function read(response: Response, vendor: Vendor): Promise<Json> {
  let text: string;
  try {
    text = decodeUtf8(await readBodyLimited(response.body, MAX_ANSWER));
  } catch (error) {
    throw transportError(error, vendor);
  }
  try {
    return parseJsonLimited(text);
  } catch {
    return text;
  }
}

async function refused(response: Response, vendor: Vendor): Promise<SynthError> {
  const { status } = response;
  const body = await read(response, vendor);
  const shown = redactJson(typeof body === "string" ? body.slice(0, MAX_SHOWN) : body);
  const retryAfter = response.headers.get("retry-after");
  if (status < 400) {
    return new SynthError(`${vendor.label} answered with a redirect`, {
      code: "vendor_error",
      status: 502,
      details: { status },
    });
  }
  return new SynthError(`${vendor.label} answered ${status}`, {
    code: vendor.code,
    status: status > 599 ? 502 : status,
    details: { status, body: shown },
    ...(retryAfter === null ? {} : { headers: { "retry-after": retryAfter } }),
  });
}

function transportError(error: unknown, vendor: Vendor): SynthError {
  if (error instanceof SynthError && error.code === "deadline_exceeded") {
    return new SynthError(`${vendor.label} did not answer in time`, {
      code: "vendor_timeout",
      status: 504,
      cause: error,
    });
  }
  return new SynthError(`${vendor.label} cannot be reached, or broke off its answer`, {
    code: "vendor_error",
    status: 502,
    cause: error,
  });
}
