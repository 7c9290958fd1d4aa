/** `[tunnels]` with its secret resolved. @module */
import { EXIT, SynthError } from "@synth/core";
import type { TunnelsConfig } from "@synth/core/config";
import type { SecretSource } from "../secret_source.ts";

/** Where tunnels are made. */
export interface TunnelSettings {
  /** Names are one label under it. */
  readonly domain: string;
  readonly accountId: string;
  readonly zoneId: string;
  /** Secret; `null`: the variable that should hold it is not set. */
  readonly apiToken: string | null;
  /** Without a slash at its end. */
  readonly apiUrl: string;
  readonly maxPerOrg: number;
}

const HEADER_SAFE = /^[\x21-\x7e]{1,1024}$/;

/**
 * Reads the API token.
 *
 * @returns `null` when no tunnels are configured
 * @throws {SynthError} `tunnel_token_unreadable`, `tunnel_token_invalid`; neither quotes the token
 */
export async function resolveTunnels(
  config: TunnelsConfig,
  secrets: SecretSource,
): Promise<TunnelSettings | null> {
  const { domain, account_id: accountId, zone_id: zoneId, api_token_env, api_token_file } = config;
  if (domain === null || accountId === null || zoneId === null) return null;
  let token: string | null = null;
  if (api_token_env !== null) token = secrets.env(api_token_env) ?? null;
  else if (api_token_file !== null) token = await readToken(api_token_file, secrets);
  token = token?.trim() ?? "";
  if (token !== "" && !HEADER_SAFE.test(token)) {
    throw new SynthError("The API token of [tunnels] has characters that no header can carry", {
      code: "tunnel_token_invalid",
      exitCode: EXIT.usage,
    });
  }
  return {
    domain,
    accountId,
    zoneId,
    apiToken: token === "" ? null : token,
    apiUrl: config.api_url,
    maxPerOrg: config.max_per_org,
  };
}

async function readToken(path: string, secrets: SecretSource): Promise<string> {
  try {
    if (secrets.file === undefined) throw new Error("no files here");
    return await secrets.file(path);
  } catch (cause) {
    throw new SynthError("The api_token_file of [tunnels] cannot be read", {
      code: "tunnel_token_unreadable",
      exitCode: EXIT.usage,
      hint: "Check that it exists, and that only you can read it",
      cause,
    });
  }
}
