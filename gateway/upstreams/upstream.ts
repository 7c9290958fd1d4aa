/** An upstream with its key resolved. @module */
import { EXIT, SynthError } from "@synth/core";
import type { UpstreamConfig } from "@synth/core/config";
import type { UpstreamProfile } from "../bridge/profile.ts";
import type { SecretSource } from "../secret_source.ts";
import { GENERIC } from "./profiles/generic.ts";
import { profileNamed, PROFILES } from "./profiles/mod.ts";

/** A server that can be called. */
export interface Upstream {
  readonly name: string;
  /** Calls go to `{baseUrl}/chat/completions` or `/responses`; `null` for the built-in model. */
  readonly baseUrl: string | null;
  readonly api: "chat" | "responses";
  readonly profile: UpstreamProfile;
  /** Sent as a bearer token; `null`: none is sent. */
  readonly key: string | null;
  readonly headers: ReadonlyMap<string, string>;
  /** Milliseconds. */
  readonly connectTimeoutMs: number;
  /** Whether calls carry a `traceparent`. */
  readonly sendTraceParent: boolean;
}

const DEMO_PROFILE: UpstreamProfile = {
  ...GENERIC,
  name: "synth-demo",
  outputCap: { honoured: true, includesReasoning: true },
};

/** The upstream of `synth-demo`: in process. */
export const DEMO_UPSTREAM: Upstream = {
  name: "synth-demo",
  baseUrl: null,
  api: "chat",
  profile: DEMO_PROFILE,
  key: null,
  headers: new Map(),
  connectTimeoutMs: 1000,
  sendTraceParent: false,
};

const HEADER_SAFE = /^[\x21-\x7e]{1,8192}$/;

/**
 * Reads the keys, finds the profiles.
 *
 * @throws {SynthError} `unknown_profile`, `upstream_key_unreadable`, `upstream_key_invalid`; neither quotes the key
 */
export async function resolveUpstreams(
  configs: ReadonlyMap<string, UpstreamConfig>,
  secrets: SecretSource,
): Promise<Map<string, Upstream>> {
  const upstreams = new Map<string, Upstream>();
  for (const [name, config] of configs) {
    upstreams.set(name, {
      name,
      baseUrl: config.base_url,
      api: config.api,
      profile: profileOf(name, config),
      key: await keyOf(name, config, secrets),
      headers: config.headers,
      connectTimeoutMs: config.connect_timeout_s * 1000,
      sendTraceParent: config.send_traceparent,
    });
  }
  return upstreams;
}

function profileOf(upstream: string, config: UpstreamConfig): UpstreamProfile {
  const profile = profileNamed(config.profile);
  if (profile !== null) return profile;
  throw new SynthError(`Upstream "${upstream}" has the unknown profile "${config.profile}"`, {
    code: "unknown_profile",
    exitCode: EXIT.usage,
    hint: `Profiles: ${[...PROFILES.keys()].sort().join(", ")}`,
  });
}

async function keyOf(
  name: string,
  config: UpstreamConfig,
  secrets: SecretSource,
): Promise<string | null> {
  let key: string | null = null;
  if (config.api_key_env !== null) key = secrets.env(config.api_key_env) ?? null;
  else if (config.api_key_file !== null) key = await readKey(name, config.api_key_file, secrets);
  key = key?.trim() ?? null;
  if (key === null || key === "") return null;
  if (!HEADER_SAFE.test(key)) {
    throw new SynthError(`The key of upstream "${name}" has characters that no header can carry`, {
      code: "upstream_key_invalid",
      exitCode: EXIT.usage,
    });
  }
  return key;
}

async function readKey(name: string, path: string, secrets: SecretSource): Promise<string> {
  try {
    if (secrets.file === undefined) throw new Error("no files here");
    return await secrets.file(path);
  } catch (cause) {
    throw new SynthError(`The api_key_file of upstream "${name}" cannot be read`, {
      code: "upstream_key_unreadable",
      exitCode: EXIT.usage,
      hint: "Check that it exists, and that only you can read it",
      cause,
    });
  }
}
