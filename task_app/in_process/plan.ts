/** What a start will do, by the options and the environment. @module */
import { EXIT, SynthError } from "@synth/core";
import type { InProcessTaskAppOptions, TaskAppMode } from "./options.ts";
import { parseMode, parsePublicUrl } from "./validate_options.ts";

/** How the app will be reached. */
export type Plan =
  | { readonly mode: Exclude<TaskAppMode, "preconfigured"> }
  | { readonly mode: "preconfigured"; readonly url: string };

/**
 * `SYNTH_TASK_APP_URL` makes it `preconfigured`; else `SYNTH_TUNNEL_MODE`, else the option decides.
 *
 * @throws {SynthError} `invalid_tunnel_mode`, `preconfigured_url_missing`, `invalid_preconfigured_url`
 */
export function planStart(
  options: Pick<InProcessTaskAppOptions, "tunnelMode" | "preconfiguredUrl">,
  env: (name: string) => string | undefined,
): Plan {
  const named = env("SYNTH_TUNNEL_MODE")?.trim();
  const mode = named
    ? parseMode(named, "SYNTH_TUNNEL_MODE")
    : parseMode(options.tunnelMode ?? "quick", "tunnelMode");
  const given = env("SYNTH_TASK_APP_URL")?.trim();
  if (given) return { mode: "preconfigured", url: parsePublicUrl(given) };
  if (mode !== "preconfigured") return { mode };
  const { preconfiguredUrl } = options;
  if (preconfiguredUrl !== undefined) return { mode, url: parsePublicUrl(preconfiguredUrl) };
  throw new SynthError('The mode "preconfigured" needs a URL', {
    code: "preconfigured_url_missing",
    status: 400,
    exitCode: EXIT.usage,
    hint: "Pass preconfiguredUrl or set SYNTH_TASK_APP_URL",
  });
}
