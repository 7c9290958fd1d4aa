/**
 * The one schema of the configuration: strict, defaults filled in, cross-checked.
 *
 * @module
 */
import * as z from "zod";
import type { ModelConfig, SynthConfig, UpstreamConfig } from "./types.ts";
import {
  baseUrl,
  count,
  domainName,
  envName,
  headerName,
  headerValue,
  origin,
  seconds,
  text,
  tokens,
  usd,
} from "./values.ts";

/** Headers that the gateway sets itself or that frame the message. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  "authorization",
  "connection",
  "content-length",
  "content-type",
  "cookie",
  "host",
  "transfer-encoding",
]);

const loopLimit = z.int().min(0).max(1_000_000);

const gateway = z.strictObject({
  host: text.default("127.0.0.1"),
  port: z.int().min(0).max(65_535).default(8787),
  store: z.enum(["sqlite", "redis", "upstash"]).default("sqlite"),
  metrics: z.enum(["local", "key"]).default("local"),
  cors_origins: z.array(origin).max(100).default([]),
  max_body_bytes: z.int().min(1024).max(1_073_741_824).default(33_554_432),
  max_json_depth: z.int().min(8).max(1000).default(64),
  request_deadline_s: seconds.default(600),
  idle_timeout_s: seconds.default(120),
  store_deadline_s: z.number().min(0.1).max(60).default(2),
  keepalive_s: seconds.default(15),
  requests_per_minute: z.int().min(0).max(1_000_000).nullable().default(null),
  max_streams: z.int().min(0).max(100_000).nullable().default(null),
  shutdown_grace_s: z.number().min(0).max(86_400).default(30),
  websockets_per_key: z.int().min(0).max(10_000).default(32),
  responses_retention_hours: z.number().positive().max(87_600).default(720),
  responses_max_bytes: z.int().min(1024).max(8_388_608).default(8_388_608),
  loop_max_rounds: loopLimit.default(200),
  loop_max_identical: loopLimit.default(5),
  log_level: z.enum(["debug", "info", "warn", "error"]).default("info"),
});

const headers = z.record(headerName, headerValue).default({}).superRefine((record, ctx) => {
  for (const name of Object.keys(record)) {
    if (!OWN_HEADERS.has(name)) continue;
    const message = name === "authorization"
      ? "Not here: a key goes into api_key_env or api_key_file"
      : "The gateway sets this header itself";
    ctx.addIssue({ code: "custom", message, path: [name] });
  }
}).transform((record) => new Map(Object.entries(record)));

const upstream = z.strictObject({
  base_url: baseUrl,
  api: z.enum(["chat", "responses"]).default("chat"),
  api_key_env: envName.nullable().default(null),
  api_key_file: text.nullable().default(null),
  profile: z.string().regex(/^[a-z0-9][a-z0-9_.-]{0,63}$/, { error: "Not a profile name" })
    .default("generic"),
  connect_timeout_s: seconds.default(10),
  send_traceparent: z.boolean().default(false),
  headers,
}).refine((value) => value.api_key_env === null || value.api_key_file === null, {
  error: "Give api_key_env or api_key_file, not both",
  path: ["api_key_file"],
});

const rates = {
  input: usd,
  cached_input: usd.nullable().default(null),
  cache_write: usd.nullable().default(null),
  output: usd,
  reasoning: usd.nullable().default(null),
};

const price = z.strictObject({
  ...rates,
  per_call: usd.nullable().default(null),
  tiers: z.array(z.strictObject({ above_input_tokens: tokens, ...rates })).max(7).default([]),
});

const bounds = z.strictObject({
  image_tokens: count.nullable().default(null),
  audio_tokens: count.nullable().default(null),
  file_tokens: count.nullable().default(null),
});

const model = z.strictObject({
  upstream: text,
  model: text.nullable().default(null),
  price: z.union([z.literal("free"), price]).nullable().default(null),
  context_window: tokens.nullable().default(null),
  max_output_tokens: tokens.nullable().default(null),
  bounds: bounds.nullable().default(null),
  stop_tool: z.enum(["off", "offer", "force"]).default("offer"),
  loop_max_rounds: loopLimit.nullable().default(null),
  loop_max_identical: loopLimit.nullable().default(null),
  fallback: z.array(text).max(16).default([]),
}).refine(
  (value) =>
    value.context_window === null || value.max_output_tokens === null ||
    value.max_output_tokens <= value.context_window,
  { error: "Must not be larger than context_window", path: ["max_output_tokens"] },
);

const upstreamName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, {
  error: "Not an upstream name: letters, digits, '_', '.', '-', at most 64",
});

const modelName = z.string().regex(/^(?:[\x21-\x29\x2b-\x7e]{1,255}\*?|\*)$/, {
  error: "Not a model name: printable ASCII without spaces, a '*' only at the end",
});

const sessions = z.strictObject({
  auto_open: z.boolean().default(true),
  default_limit_cost_usd: usd.default(20),
  ttl_hours: z.number().positive().max(8760).default(24),
  allow_opt_out: z.boolean().default(true),
  on_store_error: z.enum(["closed", "open"]).default("closed"),
  on_unknown_price: z.enum(["refuse", "allow"]).default("refuse"),
  max_reserve_output: tokens.default(32_768),
});

const session = z.strictObject({
  limit_cost_usd: usd.default(20),
  limit_tokens: count.nullable().default(null),
  limit_gpu_hours: z.number().nonnegative().max(1_000_000).nullable().default(null),
  limit_api_calls: count.nullable().default(null),
  soft: z.array(z.enum(["cost_usd", "tokens", "gpu_hours", "api_calls"])).max(4).default([]),
  window_seconds: z.int().min(60).max(31_536_000).nullable().default(null),
  warning_threshold: z.number().min(0).max(1).nullable().default(null),
  ttl_hours: z.number().positive().max(8760).nullable().default(null),
});

const cloudflareId = z.string().regex(/^[0-9a-f]{32}$/, {
  error: "Not an id of Cloudflare: 32 of 0-9 a-f",
});

const tunnels = z.strictObject({
  domain: domainName.nullable().default(null),
  account_id: cloudflareId.nullable().default(null),
  zone_id: cloudflareId.nullable().default(null),
  api_token_env: envName.nullable().default(null),
  api_token_file: text.nullable().default(null),
  api_url: baseUrl.default("https://api.cloudflare.com/client/v4"),
  max_per_org: z.int().min(0).max(1000).default(10),
}).superRefine((value, ctx) => {
  const issue = (key: string, message: string) =>
    ctx.addIssue({ code: "custom", message, path: [key] });
  if (value.api_token_env !== null && value.api_token_file !== null) {
    issue("api_token_file", "Give api_token_env or api_token_file, not both");
  }
  if (!/^(?:https:|http:\/\/(?:127\.0\.0\.1|localhost|\[::1\])(?::|\/|$))/.test(value.api_url)) {
    issue("api_url", "Must be https: the API token is sent there");
  }
  const token = value.api_token_env ?? value.api_token_file;
  if (value.account_id === null && value.zone_id === null && token === null) return;
  for (const key of ["domain", "account_id", "zone_id"] as const) {
    if (value[key] === null) issue(key, "Needed for managed tunnels, as the keys beside it");
  }
  if (token === null) issue("api_token_env", "Needed for managed tunnels; or api_token_file");
});

const reserved = z.strictObject({});

/** The sections, each as its own schema; the loader asks them which keys there are. */
export const sectionSchemas = {
  gateway,
  upstreams: z.record(upstreamName, upstream),
  models: z.record(modelName, model),
  sessions,
  session,
  queue: reserved,
  tunnels,
  artifacts: reserved,
  train: reserved,
  client: z.strictObject({ base_url: baseUrl.nullable().default(null) }),
} as const;

/** Checks a parsed `synth.toml`; an empty object gives the defaults. */
export const configSchema: z.ZodType<SynthConfig> = z.strictObject({
  gateway: sectionSchemas.gateway.prefault({}),
  upstreams: sectionSchemas.upstreams.prefault({}).transform(toMap<UpstreamConfig>),
  models: sectionSchemas.models.prefault({}).transform(toMap<ModelConfig>),
  sessions: sectionSchemas.sessions.prefault({}),
  session: sectionSchemas.session.prefault({}),
  queue: sectionSchemas.queue.prefault({}),
  tunnels: sectionSchemas.tunnels.prefault({}),
  artifacts: sectionSchemas.artifacts.prefault({}),
  train: sectionSchemas.train.prefault({}),
  client: sectionSchemas.client.prefault({}),
}).superRefine(crossCheck);

/** Clients choose the names that are looked up, so a plain object's inherited members must not answer. */
function toMap<T>(record: Record<string, T>): ReadonlyMap<string, T> {
  return new Map(Object.entries(record));
}

function crossCheck(config: SynthConfig, ctx: z.RefinementCtx): void {
  // Behind a failed check inside them the members are still plain records.
  if (!isMap(config.models) || !isMap(config.upstreams)) return;
  for (const [name, entry] of config.models) {
    if (!config.upstreams.has(entry.upstream)) {
      ctx.addIssue({
        code: "custom",
        message: `There is no [upstreams.${entry.upstream}]`,
        path: ["models", name, "upstream"],
        params: { value: entry.upstream, candidates: [...config.upstreams.keys()] },
      });
    }
    entry.fallback.forEach((other, i) => {
      const path = ["models", name, "fallback", i];
      if (other === name) {
        ctx.addIssue({ code: "custom", message: "A model cannot be its own fallback", path });
      } else if (findModel(config, other) === null) {
        ctx.addIssue({
          code: "custom",
          message: `There is no [models."${other}"]`,
          path,
          params: { value: other, candidates: [...config.models.keys()] },
        });
      }
    });
  }
}

function isMap(value: unknown): boolean {
  return value instanceof Map;
}

/** A model that a client's name stands for. */
export interface FoundModel {
  /** The key in the configuration; ends in `*` for a pattern. */
  readonly key: string;
  readonly config: ModelConfig;
  /** The name to send upstream. */
  readonly upstreamModel: string;
}

/** Finds the model for a client's name: the exact key, else the longest matching prefix pattern, else `null`. */
export function findModel(
  config: Pick<SynthConfig, "models">,
  name: string,
): FoundModel | null {
  const exact = name.endsWith("*") ? undefined : config.models.get(name);
  if (exact !== undefined) {
    return { key: name, config: exact, upstreamModel: exact.model ?? name };
  }
  let best: FoundModel | null = null;
  for (const [key, entry] of config.models) {
    if (!key.endsWith("*") || !name.startsWith(key.slice(0, -1))) continue;
    if (best !== null && best.key.length >= key.length) continue;
    best = { key, config: entry, upstreamModel: entry.model ?? name };
  }
  return best;
}
