/** Connects a command to its gateway. @module */
import { SynthClient } from "@synth/core/api";
import type { SynthConfig } from "@synth/core/config";
import type { CliContext } from "../context.ts";
import { loadForCommand } from "../state/load.ts";
import { findPaths, type Paths } from "../state/paths.ts";
import { findBaseUrl } from "./base_url.ts";
import { findKey, type FoundKey } from "./credentials.ts";

/** Flags of every command that calls a gateway. */
export interface ClientFlags {
  readonly baseUrl?: string;
  readonly config?: string;
  readonly home?: string;
  readonly json: boolean;
}

/** A gateway, and what is needed to talk to it. */
export interface Connection {
  readonly client: SynthClient;
  /** Without a slash at the end. */
  readonly url: string;
  /** What named it. */
  readonly urlSource: string;
  readonly key: FoundKey;
  readonly config: SynthConfig;
  readonly paths: Paths;
}

/** Finds gateway and key. Nothing is sent yet. */
export async function connect(
  context: CliContext,
  flags: Omit<ClientFlags, "json"> & { readonly url?: string },
): Promise<Connection> {
  const paths = findPaths(context, flags.home);
  const { config } = await loadForCommand(context, paths, { config: flags.config });
  const flag = flags.url === undefined
    ? { name: "--base-url", value: flags.baseUrl }
    : { name: "--url", value: flags.url };
  const { url, source } = await findBaseUrl(context, paths, config, flag);
  const key = await findKey(context, paths, url);
  const client = new SynthClient({ baseUrl: url, apiKey: key.key });
  return { client, url, urlSource: source, key, config, paths };
}
