/**
 * The gateway where there are no lasting files (Cloudflare Workers, Deno Deploy): everything comes from the environment, all state is in
 * Upstash Redis.
 *
 * @module
 */
import { createLogger, type Logger, SynthError } from "@synth/core";
import { Authenticator, KeyStore, type Principal, SCOPES, type StaticKey } from "@synth/core/auth";
import { type Environment, loadConfig, type SynthConfig } from "@synth/core/config";
import { UpstashTransport } from "@synth/core/storage/upstash";
import { createSealer, parseSealKeys } from "../bridge/seal.ts";
import { createGateway } from "../gateway.ts";
import type { Gateway, GatewayOptions } from "../options.ts";
import type { UpstreamTransport } from "../upstreams/transport.ts";
import { redisStores } from "./stores.ts";

/** What differs between the edges. */
export interface EdgeOptions {
  readonly transport: UpstreamTransport;
  /** Takes the lines of the log. */
  readonly write: (line: string) => void;
  /** @default {SHA-256 in JavaScript} */
  readonly hasher?: NonNullable<GatewayOptions["hasher"]>;
}

/** Shorter keys can be guessed by who knows the address, and everybody does. */
const MIN_KEY_LENGTH = 16;
/** Without these there is no gateway. */
const REQUIRED = [
  "SYNTH_CONFIG_TOML",
  "UPSTASH_REDIS_REST_URL",
  "UPSTASH_REDIS_REST_TOKEN",
  "SYNTH_SEAL_KEYS",
] as const;

/**
 * Opens a gateway from its environment. Sends nothing: a store that cannot be reached shows in `/health` and in answers.
 *
 * @throws {SynthError} always with status 503 and without a value of the environment: `edge_variable_missing`, `edge_store_unsupported`,
 * `edge_key_weak`, `config_invalid`, `invalid_seal_keys`, `invalid_store_url`, `invalid_static_key`, `upstream_key_unreadable`,
 * `upstream_key_invalid`
 */
export async function openEdgeGateway(env: Environment, options: EdgeOptions): Promise<Gateway> {
  try {
    return await open(env, options);
  } catch (error) {
    throw startError(error, createLogger({ write: options.write }));
  }
}

async function open(env: Environment, options: EdgeOptions): Promise<Gateway> {
  requireVariables(env);
  const { config, warnings } = await loadConfig({ env });
  const log = createLogger({ write: options.write, level: config.gateway.log_level });
  for (const warning of [...warnings, ...keyWarnings(env, config)]) log.warn(warning);
  requireUpstash(config);
  const staticKeys = staticKeysOf(env);
  const sealer = createSealer(parseSealKeys(env.SYNTH_SEAL_KEYS ?? ""));
  const stores = redisStores(
    new UpstashTransport({
      url: env.UPSTASH_REDIS_REST_URL ?? "",
      token: env.UPSTASH_REDIS_REST_TOKEN ?? "",
      deadlineMs: config.gateway.store_deadline_s * 1000,
    }),
  );
  const keys = new KeyStore(stores.documents);
  return await createGateway({
    config,
    authenticator: new Authenticator({ keys, staticKeys }),
    secrets: { env: (name) => env[name] },
    transport: options.transport,
    store: stores,
    documents: stores.documents,
    ledger: stores.ledger,
    keys,
    log,
    sealer,
    ...(options.hasher === undefined ? {} : { hasher: options.hasher }),
  });
}

function requireVariables(env: Environment): void {
  const missing = REQUIRED.filter((name) => !env[name]);
  if (missing.length === 0) return;
  throw new SynthError(`The gateway's environment lacks ${missing.join(", ")}`, {
    code: "edge_variable_missing",
    hint: "docs/deploy.md says what belongs into each",
    details: { variables: missing },
  });
}

function requireUpstash(config: SynthConfig): void {
  const { store } = config.gateway;
  if (store === "upstash") return;
  throw new SynthError(`store = "${store}" does not work where there are no lasting files`, {
    code: "edge_store_unsupported",
    hint: 'Put store = "upstash" under [gateway] in SYNTH_CONFIG_TOML',
    details: { variables: ["SYNTH_CONFIG_TOML"] },
  });
}

/** The key that the environment asks to accept, for the same owner as on one machine. */
function staticKeysOf(env: Environment): StaticKey[] {
  const key = env.SYNTH_API_KEY;
  if (!key) return [];
  if (key.length < MIN_KEY_LENGTH) {
    throw new SynthError(`SYNTH_API_KEY is shorter than ${MIN_KEY_LENGTH} characters`, {
      code: "edge_key_weak",
      hint: "Everybody can reach this gateway: choose a long random key",
      details: { variables: ["SYNTH_API_KEY"] },
    });
  }
  const principal: Principal = {
    org: "local",
    user: "owner",
    keyId: "key_environment",
    scopes: new Set(SCOPES),
    expiresAt: null,
  };
  return [{ key, principal }];
}

function keyWarnings(env: Environment, config: SynthConfig): string[] {
  const warnings: string[] = [];
  if (!env.SYNTH_API_KEY) {
    warnings.push("SYNTH_API_KEY is not set: only keys that are in the store already are accepted");
  }
  for (const [name, { api_key_env: variable }] of config.upstreams) {
    if (variable !== null && !env[variable]) {
      warnings.push(`${variable} is not set: upstream "${name}" is called without a key`);
    }
  }
  const { api_token_env: token } = config.tunnels;
  if (token !== null && !env[token]) {
    warnings.push(`${token} is not set: no managed tunnels are made`);
  }
  return warnings;
}

/** A stranger may see the answer, so what is wrong inside the configuration goes to the log alone. */
function startError(error: unknown, log: Logger): SynthError {
  const known = error instanceof SynthError
    ? error
    : new SynthError("The gateway cannot start", { code: "internal_error", cause: error });
  log.error("the gateway cannot start", {
    code: known.code,
    reason: known.toCliMessage(),
    ...(known.cause instanceof Error ? { error: known.cause } : {}),
  });
  const open = known.code.startsWith("edge_");
  const details = open ? known.details : {};
  return new SynthError(open ? known.message : TOLD[known.code] ?? "The gateway cannot start", {
    code: known.code,
    status: 503,
    hint: open && known.hint !== undefined ? known.hint : "Its log says why",
    details,
    headers: { "retry-after": "30", "x-should-retry": "false" },
    cause: known,
  });
}

/** What may be said of errors whose own words could quote the environment. */
const TOLD: Readonly<Record<string, string>> = {
  config_invalid: "SYNTH_CONFIG_TOML, or a SYNTH_ variable that overrules it, is not valid",
  invalid_seal_keys: "SYNTH_SEAL_KEYS is not valid",
  invalid_store_url: "UPSTASH_REDIS_REST_URL or UPSTASH_REDIS_REST_TOKEN is not valid",
  invalid_static_key: "SYNTH_API_KEY is not valid",
  upstream_key_unreadable: "SYNTH_CONFIG_TOML names a file for a key: there are no files here",
  upstream_key_invalid: "The key of an upstream is not valid",
  tunnel_token_invalid: "The API token of [tunnels] is not valid",
  tunnel_token_unreadable: "SYNTH_CONFIG_TOML names a file for a token: there are no files here",
  unknown_profile: "SYNTH_CONFIG_TOML names a profile that does not exist",
};
