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
import { askKeys, canAsk } from "../client/ask_keys.ts";
import { findBaseUrl } from "../client/base_url.ts";
import {
  awaitKeys,
  backendOrigin,
  beginHandshake,
  type Handshake,
  type HandshakeKeys,
} from "../client/handshake.ts";
import type { CliContext } from "../context.ts";
import { printJson, say } from "../output/print.ts";
import { table } from "../output/table.ts";
import { readText } from "../state/files.ts";
import { ensureHome } from "../state/home.ts";
import { loadForCommand } from "../state/load.ts";
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
  if (flags.local) {
    await ensureHome(this, paths.home);
    return await makeHere(this, flags, paths);
  }
  const backend = backendOf(this, flags);
  if (backend === null) return await askForGateway(this, flags, paths);
  await ensureHome(this, paths.home);
  await askBackend(this, flags, paths, backend);
}

function backendOf({ env }: CliContext, flags: SetupFlags): string | null {
  const named = flags.backend ?? env.SYNTH_CANONICAL_ORIGIN;
  if (named) return backendOrigin(named);
  const dev = /^(?:1|true|yes|on)$/i.test(env.SYNTH_CANONICAL_DEV ?? "");
  return dev ? "http://localhost:3000" : null;
}

/** Nobody gives keys; someone at a terminal may have one for the gateway that commands would call. */
async function askForGateway(context: CliContext, flags: SetupFlags, paths: Paths): Promise<void> {
  if (!canAsk()) throw nobodyGives();
  const { config } = await loadForCommand(context, paths, { config: undefined });
  const none = { name: "--base-url", value: undefined };
  const { url } = await findBaseUrl(context, paths, config, none).catch((error: unknown) => {
    throw error instanceof SynthError && error.code === "no_gateway" ? nobodyGives() : error;
  });
  const origin = backendOrigin(url);
  say(context, `No backend is named. Type the keys that you have for ${origin}`);
  const given = askKeys();
  await ensureHome(context, paths.home);
  await keep(context, flags, paths, origin, { org: null, ...given });
}

function nobodyGives(): SynthError {
  return new SynthError("Who shall give the keys?", {
    code: "usage",
    exitCode: EXIT.usage,
    hint: "Give --local to make them on this machine, or --backend URL; to type a key for a " +
      "gateway, set BACKEND_BASE_URL and run this at a terminal",
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
  const handshake = await beginHandshake(origin, fetch).catch((error: unknown) => {
    if (!(error instanceof SynthError) || !canAsk()) throw error;
    say(context, `${error.message}. Type the keys that you have for ${origin}`);
    return null;
  });
  const given = handshake === null
    ? { org: null, ...askKeys() }
    : await confirm(context, flags, origin, handshake);
  await keep(context, flags, paths, origin, given);
}

async function confirm(
  context: CliContext,
  flags: SetupFlags,
  origin: string,
  handshake: Handshake,
): Promise<HandshakeKeys> {
  say(context, `Confirm here: ${handshake.page}`);
  if (flags.browser && context.process.stderr.isTerminal) openPage(context, handshake.page);
  return await awaitKeys(origin, handshake, systemClock, fetch);
}

async function keep(
  context: CliContext,
  flags: SetupFlags,
  paths: Paths,
  origin: string,
  given: HandshakeKeys,
): Promise<void> {
  // One that was made here stays: task apps may use it.
  const there = given.environmentKey === null ? await readCredentials(context, paths) : null;
  await writeCredentials(paths, {
    v: 1,
    backend: origin,
    synth_api_key: given.synthKey,
    environment_api_key: given.environmentKey ?? there?.environment_api_key ?? null,
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
