/** Where a rollout finds its model, and with which key. @module */
import { SynthError } from "@synth/core";
import { extractTraceCorrelationId, normalizeInferenceUrl } from "@synth/task-app";
import type { RolloutRequest } from "@synth/task-app";

/** What an example reads and calls; a test gives its own. */
export interface ExamplePorts {
  /** A variable of the environment. */
  readonly env: (name: string) => string | undefined;
  /** @default {globalThis.fetch} */
  readonly fetch?: typeof globalThis.fetch;
}

/** The model of one rollout. */
export interface Inference {
  /** Ends in `/chat/completions`; its query is the request's. */
  readonly url: string;
  readonly model: string;
  /** `null`: the URL is called without one. */
  readonly apiKey: string | null;
  /** Members of the chat request: temperature and the like. */
  readonly settings: { readonly [name: string]: unknown };
}

const LOCAL_GATEWAY = "http://127.0.0.1:8787/v1/chat/completions";
const SETTINGS = [
  "temperature",
  "top_p",
  "max_tokens",
  "max_completion_tokens",
  "reasoning_effort",
  "seed",
];

/**
 * The model that a request names, else the one of `INFERENCE_URL` and `INFERENCE_MODEL`, else `synth-demo` of the gateway on this machine.
 *
 * `INFERENCE_API_KEY` goes to the origin of `INFERENCE_URL` and nowhere else: a request can name any URL.
 *
 * @throws {SynthError} 400 `invalid_inference_url`; `inference_url_without_cid` in RL mode, before any money is spent
 */
export function inferenceOf(request: RolloutRequest, ports: ExamplePorts): Inference {
  const { config } = request.policy;
  const configured = normalizeInferenceUrl(ports.env("INFERENCE_URL"), LOCAL_GATEWAY);
  const url = withCorrelationId(
    normalizeInferenceUrl(textOf(config["inference_url"]), configured),
    request,
  );
  const settings = SETTINGS.filter((name) => config[name] !== undefined && config[name] !== null)
    .map((name) => [name, config[name]] as const);
  const trusted = originOf(url) === originOf(configured);
  return {
    url,
    model: textOf(config["model"]) ?? (ports.env("INFERENCE_MODEL") || "synth-demo"),
    apiKey: trusted ? ports.env("INFERENCE_API_KEY") || null : null,
    settings: Object.fromEntries(settings),
  };
}

function withCorrelationId(url: string, request: RolloutRequest): string {
  originOf(url);
  if (request.mode !== "rl" || extractTraceCorrelationId(url) !== null) return url;
  const id = request.trace_correlation_id;
  if (id) {
    const marked = new URL(url);
    marked.searchParams.set("cid", id);
    return marked.href;
  }
  throw new SynthError("In RL mode the inference URL needs a correlation id", {
    code: "inference_url_without_cid",
    status: 400,
    param: "policy.config.inference_url",
    hint: "Send an inference_url with ?cid=trace_..., or a trace_correlation_id",
  });
}

function originOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed !== null && /^https?:$/.test(parsed.protocol)) return parsed.origin;
  throw new SynthError("The inference URL must begin with http:// or https://", {
    code: "invalid_inference_url",
    status: 400,
    param: "policy.config.inference_url",
  });
}

function textOf(value: unknown): string | null {
  return typeof value === "string" && value.trim() !== "" ? value : null;
}
