/** What `synth up` says once it listens. @module */
import type { SynthConfig } from "@synth/core/config";
import type { CliContext } from "../context.ts";
import { bold } from "../output/color.ts";
import { printJson, printLine, say } from "../output/print.ts";
import type { FirstKey } from "../state/api_key.ts";
import type { Paths } from "../state/paths.ts";
import { pasteText } from "./snippets.ts";

/** What there is to say. */
export interface Announcement {
  /** The gateway's. */
  readonly url: string;
  /** `null`: the key is the environment's. */
  readonly key: FirstKey | null;
  readonly config: SynthConfig;
  readonly paths: Paths;
  readonly json: boolean;
}

/** Prints the address to stdout; the key, if it is new, and how to connect, to stderr. */
export function announce(context: CliContext, about: Announcement): void {
  const { url, key, paths, config } = about;
  const out = context.process.stderr;
  say(context, bold(`synth listens on ${url}`, out));
  if (key?.made) {
    say(context, `\nYour API key, shown this once and kept in ${paths.apiKey}:\n\n  ${key.key}\n`);
  } else if (key?.ended) {
    say(
      context,
      `warning: the key in ${paths.apiKey} was revoked; remove the file to get a new one`,
    );
  }
  warnOfExposure(context, config);
  warnOfMissingKeys(context, config);
  if (about.json) {
    printJson(context, {
      url,
      pid: Deno.pid,
      home: paths.home,
      api_key_file: key === null ? null : paths.apiKey,
      models: listedModels(config),
    });
    return;
  }
  const text = pasteText({
    url,
    model: listedModels(config)[0] ?? "synth-demo",
    keyPath: key === null ? null : paths.apiKey,
    windows: context.os === "windows",
  });
  say(context, `\n${text}`);
  if (config.models.size === 0) {
    say(
      context,
      "synth-demo is a built-in script, no language model. synth config init adds real ones.",
    );
  }
  printLine(context, url);
}

/** Names that can be asked for; patterns are not names. */
function listedModels(config: SynthConfig): string[] {
  const names = [...config.models.keys()].filter((name) => !name.endsWith("*"));
  return config.models.has("synth-demo") ? names : [...names, "synth-demo"];
}

function warnOfExposure(context: CliContext, config: SynthConfig): void {
  const { host } = config.gateway;
  if (host === "localhost" || host === "::1" || host.startsWith("127.")) return;
  say(
    context,
    `warning: ${host} can be reached from other machines, without encryption: put a proxy with TLS in front`,
  );
}

/** Without its key an upstream is called without one: right for a local server, and otherwise worth a word. */
function warnOfMissingKeys(context: CliContext, config: SynthConfig): void {
  for (const [name, { api_key_env: variable }] of config.upstreams) {
    if (variable === null || context.env[variable]) continue;
    say(context, `warning: ${variable} is not set: upstream "${name}" is called without a key`);
  }
}
