/** What `synth setup` does. @module */
import { EXIT, SynthError, systemClock } from "@synth/core";
import { newKey } from "@synth/core/auth";
import { createPrivateFile } from "@synth/core/platform";
import {
  type Credentials,
  maskKey,
  readCredentials,
  writeCredentials,
} from "../client/credentials.ts";
import { awaitKeys, backendOrigin, beginHandshake } from "../client/handshake.ts";
import type { CliContext } from "../context.ts";
import { printJson, say } from "../output/print.ts";
import { table } from "../output/table.ts";
import { readText } from "../state/files.ts";
import { ensureHome } from "../state/home.ts";
import { findPaths, type Paths } from "../state/paths.ts";

/** Flags of the command. */
export interface SetupFlags {
  readonly home?: string;
  readonly json: boolean;
  readonly local: boolean;
  readonly backend?: string;
  readonly browser: boolean;
}

/** Gets keys, or makes them. */
export async function runSetup(this: CliContext, flags: SetupFlags): Promise<void> {
  const paths = findPaths(this, flags.home);
  if (flags.local && flags.backend !== undefined) {
    throw new SynthError("--local and --backend cannot both be", {
      code: "usage",
      exitCode: EXIT.usage,
    });
  }
  const origin = flags.local ? null : originOf(this, flags);
  await ensureHome(this, paths.home);
  if (origin === null) await makeHere(this, flags, paths);
  else await askBackend(this, flags, paths, origin);
}

function originOf({ env }: CliContext, flags: SetupFlags): string {
  const named = flags.backend ?? env.SYNTH_CANONICAL_ORIGIN;
  if (named) return backendOrigin(named);
  if (/^(?:1|true|yes|on)$/i.test(env.SYNTH_CANONICAL_DEV ?? "")) return "http://localhost:3000";
  throw new SynthError("Who shall give the keys?", {
    code: "usage",
    exitCode: EXIT.usage,
    hint: "Give --local to make them on this machine, or --backend URL",
  });
}

/** What is there stays: other programs may use it. */
async function makeHere(context: CliContext, flags: SetupFlags, paths: Paths): Promise<void> {
  const madeKey = await createPrivateFile(paths.apiKey, `${newKey()}\n`);
  const there = await readCredentials(context, paths);
  const environmentKey = there?.environment_api_key ?? `env_${newKey()}`;
  const kept: Credentials = {
    v: 1,
    backend: there?.backend ?? null,
    synth_api_key: there?.synth_api_key ?? null,
    environment_api_key: environmentKey,
  };
  if (there?.environment_api_key !== environmentKey) await writeCredentials(paths, kept);
  const key = (await readText(paths.apiKey))?.trim() ?? "";
  report(context, flags, {
    backend: null,
    org: null,
    made: madeKey,
    keys: [["SYNTH_API_KEY", key, paths.apiKey], [
      "ENVIRONMENT_API_KEY",
      environmentKey,
      paths.credentials,
    ]],
  });
  say(context, "synth up takes this key up; next: synth up, then synth doctor");
}

async function askBackend(
  context: CliContext,
  flags: SetupFlags,
  paths: Paths,
  origin: string,
): Promise<void> {
  const handshake = await beginHandshake(origin, fetch);
  say(context, `Confirm here: ${handshake.page}`);
  if (flags.browser && context.process.stderr.isTerminal) openPage(context, handshake.page);
  const given = await awaitKeys(origin, handshake, systemClock, fetch);
  await writeCredentials(paths, {
    v: 1,
    backend: origin,
    synth_api_key: given.synthKey,
    environment_api_key: given.environmentKey,
  });
  const keys: [string, string, string][] = [[
    "SYNTH_API_KEY",
    given.synthKey,
    paths.credentials,
  ]];
  if (given.environmentKey !== null) {
    keys.push(["ENVIRONMENT_API_KEY", given.environmentKey, paths.credentials]);
  }
  report(context, flags, { backend: origin, org: given.org, made: true, keys });
  say(context, `Next: synth doctor --base-url ${origin}`);
}

/** Where there is no browser, or we may start no program, the address above is enough. */
function openPage({ os }: CliContext, page: string): void {
  const [program, ...args] = os === "darwin"
    ? ["open"]
    : os === "windows"
    ? ["rundll32", "url.dll,FileProtocolHandler"]
    : ["xdg-open"];
  if (program === undefined) return;
  try {
    const child = new Deno.Command(program, {
      args: [...args, page],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    child.unref();
  } catch {
    // As said above.
  }
}

interface Report {
  readonly backend: string | null;
  readonly org: string | null;
  readonly made: boolean;
  /** Name, key, file. */
  readonly keys: readonly (readonly [string, string, string])[];
}

/** Keys are masked: they are in their files. */
function report(
  context: CliContext,
  flags: SetupFlags,
  { backend, org, made, keys }: Report,
): void {
  const shown = keys.map(([name, key, file]) => ({ name, key: maskKey(key), file }));
  if (flags.json) return printJson(context, { backend, org, made, keys: shown });
  context.process.stdout.write(table(shown.map(({ name, key, file }) => [name, key, file])));
}
