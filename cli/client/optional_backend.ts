/** A gateway for commands that can do without one. @module */
import { SynthError } from "@synth/core";
import type { CliContext } from "../context.ts";
import { loadForCommand } from "../state/load.ts";
import type { Paths } from "../state/paths.ts";
import { findBaseUrl } from "./base_url.ts";
import { findKey } from "./credentials.ts";

/** A gateway's address and a key for it. */
export interface OptionalBackend {
  /** Without a slash at the end. */
  readonly baseUrl: string;
  /** Secret. */
  readonly apiKey: string;
}

/**
 * Finds gateway and key as every command does. One that was named must be right.
 *
 * @returns `undefined` when there is no gateway, or no key
 */
export async function findOptionalBackend(
  context: CliContext,
  flags: { readonly config?: string; readonly baseUrl?: string },
  paths: Paths,
): Promise<OptionalBackend | undefined> {
  const { config } = await loadForCommand(context, paths, { config: flags.config });
  try {
    const flag = { name: "--base-url", value: flags.baseUrl };
    const { url } = await findBaseUrl(context, paths, config, flag);
    return { baseUrl: url, apiKey: (await findKey(context, paths, url)).key };
  } catch (error) {
    const none = error instanceof SynthError &&
      (error.code === "no_gateway" || error.code === "no_api_key");
    if (none) return undefined;
    throw error;
  }
}
