/** What a checked configuration looks like; keys are named as in `synth.toml`. @module */

/** `[gateway]`: the HTTP server. */
export interface GatewayConfig {
  /** Address to listen on. @default {"127.0.0.1"} */
  readonly host: string;
  /** TCP port; 0 lets the system pick one. @default {8787} */
  readonly port: number;
  /** Where state lives. @default {"sqlite"} */
  readonly store: "sqlite" | "redis" | "upstash";
  /** Who reads `/metrics`: programs on this machine and keys of the scope `admin`, or only the latter. @default {"local"} */
  readonly metrics: "local" | "key";
  /** Origins that browsers may call from; `"*"` alone allows every one. @default {[]} */
  readonly cors_origins: readonly string[];
  /** Largest request body, counted after decompression. @default {33554432} */
  readonly max_body_bytes: number;
  /** Deepest nesting of a request's JSON. @default {64} */
  readonly max_json_depth: number;
  /** Longest a request may take from its first byte to its last, in seconds. @default {600} */
  readonly request_deadline_s: number;
  /** Longest silence of an upstream, in seconds. @default {120} */
  readonly idle_timeout_s: number;
  /** Longest wait for one answer of Redis or Upstash, in seconds; then the store counts as unreachable. @default {2} */
  readonly store_deadline_s: number;
  /** A silent stream gets a keepalive this often, in seconds. @default {15} */
  readonly keepalive_s: number;
  /** Requests a minute of a key that has no such limit of its own; `null`: any number. @default {null} */
  readonly requests_per_minute: number | null;
  /** Streams at the same time of a key that has no such limit of its own; `null`: any number. @default {null} */
  readonly max_streams: number | null;
  /** How long open streams may finish after SIGTERM, in seconds. @default {30} */
  readonly shutdown_grace_s: number;
  /** WebSockets that one key may have open on one gateway at a time; 0: none are served. @default {32} */
  readonly websockets_per_key: number;
  /** How long responses with `store: true` are kept, in hours. @default {720} */
  readonly responses_retention_hours: number;
  /** Largest stored response, in bytes as it is stored (a third more than its JSON). @default {8388608} */
  readonly responses_max_bytes: number;
  /** Rounds of tool calls behind one message of the user, after which a model is made to answer; 0: any number. @default {200} */
  readonly loop_max_rounds: number;
  /** Calls in a row that are the same and had the same output, after which a model is made to answer; 0: any number. @default {5} */
  readonly loop_max_identical: number;
  /** @default {"info"} */
  readonly log_level: "debug" | "info" | "warn" | "error";
}

/** `[upstreams.NAME]`: a server that we call. */
export interface UpstreamConfig {
  /** Without a trailing slash, userinfo, query or fragment. */
  readonly base_url: string;
  /** What it speaks. @default {"chat"} */
  readonly api: "chat" | "responses";
  /** Environment variable that holds its key. With neither this nor `api_key_file` no key is sent. */
  readonly api_key_env: string | null;
  /** File that holds its key, trimmed of white space. */
  readonly api_key_file: string | null;
  /** Quirks and caps of the server. @default {"generic"} */
  readonly profile: string;
  /** Longest wait for a connection, in seconds. @default {10} */
  readonly connect_timeout_s: number;
  /** Whether calls carry a W3C `traceparent`. @default {false} */
  readonly send_traceparent: boolean;
  /** Headers sent with every call. Names are lower-case. */
  readonly headers: ReadonlyMap<string, string>;
}

/** USD per million tokens. `null`: the part is billed as `input` (cache) or `output` (reasoning). */
export interface RatesConfig {
  readonly input: number;
  readonly cached_input: number | null;
  readonly cache_write: number | null;
  readonly output: number;
  readonly reasoning: number | null;
}

/** What a model costs. */
export interface PriceConfig extends RatesConfig {
  /** USD for every call, beside its tokens. */
  readonly per_call: number | null;
  /** Rates of requests with a larger input. @default {[]} */
  readonly tiers: readonly (RatesConfig & { readonly above_input_tokens: number })[];
}

/** Tokens that one image, audio clip or file can cost at most. `null`: not known, which a hard limit refuses. */
export interface BoundsConfig {
  readonly image_tokens: number | null;
  readonly audio_tokens: number | null;
  readonly file_tokens: number | null;
}

/** `[models."NAME"]`: a model that clients can ask for. A name that ends in `*` is a prefix pattern. */
export interface ModelConfig {
  /** Key in {@linkcode SynthConfig.upstreams}. */
  readonly upstream: string;
  /** The upstream's name for it. `null`: the name goes upstream as the client sent it. */
  readonly model: string | null;
  /** `null`: not known, which a cost limit refuses. */
  readonly price: PriceConfig | "free" | null;
  /** In tokens. */
  readonly context_window: number | null;
  /** In tokens. */
  readonly max_output_tokens: number | null;
  /** Overrules the price book's bounds. */
  readonly bounds?: BoundsConfig | null;
  /** Whether `__internal_stop` is added. @default {"offer"} */
  readonly stop_tool: "off" | "offer" | "force";
  /** As {@linkcode GatewayConfig.loop_max_rounds}, for this model. @default {null}: the gateway's */
  readonly loop_max_rounds?: number | null;
  /** As {@linkcode GatewayConfig.loop_max_identical}, for this model. @default {null}: the gateway's */
  readonly loop_max_identical?: number | null;
  /** Models to try when this one fails, in order. */
  readonly fallback: readonly string[];
}

/** `[sessions]`: how the gateway treats sessions. */
export interface SessionsConfig {
  /** Open a session for a request that names none. @default {true} */
  readonly auto_open: boolean;
  /** Cost limit of a session opened that way, in USD; 0 means zero. @default {20} */
  readonly default_limit_cost_usd: number;
  /** Life of a session, in hours. @default {24} */
  readonly ttl_hours: number;
  /** Whether `X-No-Session: true` is honoured. @default {true} */
  readonly allow_opt_out: boolean;
  /** Refuse (`closed`) or serve unmetered (`open`) when the store is unreachable. @default {"closed"} */
  readonly on_store_error: "closed" | "open";
  /** Refuse or serve a model without a price under a cost limit. @default {"refuse"} */
  readonly on_unknown_price: "refuse" | "allow";
  /** Most output tokens reserved for one request. @default {32768} */
  readonly max_reserve_output: number;
}

/** What a limit can count. */
export type SessionMetric = "cost_usd" | "tokens" | "gpu_hours" | "api_calls";

/** `[session]`: limits of the session that a launcher creates. 0 means zero, `null` no limit. */
export interface SessionConfig {
  /** @default {20} */
  readonly limit_cost_usd: number;
  readonly limit_tokens: number | null;
  readonly limit_gpu_hours: number | null;
  readonly limit_api_calls: number | null;
  /** Limits that warn instead of refusing. @default {[]} */
  readonly soft: readonly SessionMetric[];
  /** Makes the limits rolling: they count the last so many seconds. */
  readonly window_seconds: number | null;
  /** Fraction of a limit, 0 to 1, from which a header warns. */
  readonly warning_threshold: number | null;
  /** Overrules `[sessions] ttl_hours`. */
  readonly ttl_hours: number | null;
}

/** `[tunnels]`: managed tunnels, made at Cloudflare. All of `domain`, `account_id`, `zone_id` and a token, or none are made. */
export interface TunnelsConfig {
  /** Domain that tunnels get a name under; a Cloudflare zone, or a name below one. */
  readonly domain: string | null;
  /** Cloudflare's id of the account. */
  readonly account_id: string | null;
  /** Cloudflare's id of the zone that `domain` is in. */
  readonly zone_id: string | null;
  /** Environment variable that holds the API token. */
  readonly api_token_env: string | null;
  /** File that holds the API token, trimmed of white space. */
  readonly api_token_file: string | null;
  /** Where Cloudflare's API is. @default {"https://api.cloudflare.com/client/v4"} */
  readonly api_url: string;
  /** Tunnels that an org may have at a time. @default {10} */
  readonly max_per_org: number;
}

/** `[client]`: how commands find their gateway. */
export interface ClientConfig {
  /** The gateway's URL, without `/api` behind it. */
  readonly base_url: string | null;
}

/** A section whose keys come with the part of the system that it configures. */
export type ReservedSection = Readonly<Record<never, never>>;

/** The whole configuration, checked, defaults filled in. */
export interface SynthConfig {
  readonly gateway: GatewayConfig;
  readonly upstreams: ReadonlyMap<string, UpstreamConfig>;
  readonly models: ReadonlyMap<string, ModelConfig>;
  readonly sessions: SessionsConfig;
  readonly session: SessionConfig;
  readonly queue: ReservedSection;
  readonly tunnels: TunnelsConfig;
  readonly artifacts: ReservedSection;
  readonly train: ReservedSection;
  readonly client: ClientConfig;
}
