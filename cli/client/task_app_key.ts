/** The key of the user's task apps. @module */
import type { CliContext } from "../context.ts";
import type { Paths } from "../state/paths.ts";
import { readCredentials } from "./credentials.ts";

const NAMES = ["ENVIRONMENT_API_KEY", "dev_environment_api_key", "DEV_ENVIRONMENT_API_KEY"];

/** Environment > what `synth setup` keeps; `null` when there is none. Nobody is asked. @throws {SynthError} as `readCredentials` */
export async function findTaskAppKey(context: CliContext, paths: Paths): Promise<string | null> {
  for (const name of NAMES) {
    const value = context.env[name]?.trim();
    if (value) return value;
  }
  return (await readCredentials(context, paths))?.environment_api_key ?? null;
}

/** What the access proxy before managed tunnels wants, as far as the environment tells. */
export function accessHeadersOf(context: Pick<CliContext, "env">): Record<string, string> {
  const { CF_ACCESS_CLIENT_ID: id, CF_ACCESS_CLIENT_SECRET: secret } = context.env;
  if (!id || !secret) return {};
  return { "CF-Access-Client-Id": id, "CF-Access-Client-Secret": secret };
}
