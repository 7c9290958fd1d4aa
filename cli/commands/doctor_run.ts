/** What `synth doctor` does. @module */
import { EXIT, SynthError } from "@synth/core";
import { SynthClient } from "@synth/core/api";
import type { SynthConfig } from "@synth/core/config";
import { findBaseUrl } from "../client/base_url.ts";
import type { ClientFlags } from "../client/connect.ts";
import { findKey } from "../client/credentials.ts";
import type { CliContext } from "../context.ts";
import manifest from "../deno.json" with { type: "json" };
import { codexAgent } from "../launch/codex.ts";
import { findProgram } from "../launch/find_program.ts";
import { opencodeAgent } from "../launch/opencode.ts";
import { colored } from "../output/color.ts";
import { printJson } from "../output/print.ts";
import { loadForCommand } from "../state/load.ts";
import { findPaths, type Paths } from "../state/paths.ts";

/** Flags of the command. */
export type DoctorFlags = ClientFlags;

/** `warn`: works, and is worth a look. `skip`: cannot be looked at before another is mended. */
type Status = "ok" | "warn" | "fail" | "skip";

interface Check {
  readonly name: string;
  readonly status: Status;
  readonly message: string;
  /** What to do. */
  readonly fix: string | null;
}

/** Goes through the checks; one that fails does not hide the others. */
export async function runDoctor(this: CliContext, flags: DoctorFlags): Promise<void> {
  const checks: Check[] = [];
  const paths = findPaths(this, flags.home);
  const config = await attempt(
    checks,
    "configuration",
    () => loadForCommand(this, paths, { config: flags.config }),
    ({ files }) => ok(files.length === 0 ? "defaults, no file" : files.join(", ")),
  );
  await checkHome(this, paths, checks);
  if (config === null) checks.push(skip("gateway"), skip("key"), skip("models"));
  else await checkGateway(this, flags, paths, config.config, checks);
  for (const agent of [codexAgent, opencodeAgent]) {
    const path = await findProgram(this, agent.name);
    checks.push({
      name: agent.name,
      ...(path === null
        ? { status: "warn", message: "not installed", fix: agent.install.join("  or  ") }
        : ok(path)),
    });
  }
  const failed = checks.some(({ status }) => status === "fail");
  if (failed) this.process.exitCode = EXIT.checks;
  if (flags.json) return printJson(this, { ok: !failed, checks });
  for (const check of checks) this.process.stdout.write(lineOf(this, check));
}

async function checkHome(context: CliContext, paths: Paths, checks: Check[]): Promise<void> {
  const info = await Deno.stat(paths.home).catch(() => null);
  const mode = (info?.mode ?? 0o700) & 0o777;
  if (info === null) {
    checks.push({ name: "state", ...ok(`${paths.home} is made when it is needed`) });
  } else if (context.os !== "windows" && (mode & 0o077) !== 0) {
    const message = `others can enter ${paths.home} (mode ${mode.toString(8)})`;
    checks.push({ name: "state", status: "fail", message, fix: `chmod 700 ${paths.home}` });
  } else checks.push({ name: "state", ...ok(paths.home) });
}

async function checkGateway(
  context: CliContext,
  flags: DoctorFlags,
  paths: Paths,
  config: SynthConfig,
  checks: Check[],
): Promise<void> {
  const found = await attempt(checks, "gateway", async () => {
    const flag = { name: "--base-url", value: flags.baseUrl };
    const base = await findBaseUrl(context, paths, config, flag);
    return { ...base, health: await new SynthClient({ baseUrl: base.url }).health() };
  }, ({ url, source, health }) => {
    if (health.store !== "ok") {
      return { status: "fail", message: `${url}: its store is away`, fix: "See its log" };
    }
    const message = `${url} (${source}), version ${health.version}`;
    if (health.version === manifest.version) return ok(message);
    return { status: "warn", message, fix: `This is ${manifest.version}: update the older one` };
  });
  if (found === null) return void checks.push(skip("key"), skip("models"));
  const client = await attempt(checks, "key", async () => {
    const { key, source } = await findKey(context, paths, found.url);
    const client = new SynthClient({ baseUrl: found.url, apiKey: key });
    return { client, source, me: await client.me() };
  }, ({ source, me }) => {
    const message = `${me.key_id} of ${me.user_id} (${source}): ${me.scopes.join(", ")}`;
    const missing = (["infer", "sessions"] as const).filter((one) => !me.scopes.includes(one));
    if (missing.length === 0) return ok(message);
    return {
      status: "warn",
      message,
      fix: `It may not ${missing.join(", ")}: synth codex and synth session need that`,
    };
  });
  if (client === null) return void checks.push(skip("models"));
  await attempt(checks, "models", () => client.client.pricing(), ({ models }) => {
    const names = models.map(({ model }) => model);
    const unpriced = models.filter(({ price }) => price === null).map(({ model }) => model);
    if (unpriced.length > 0) {
      const message = `no price: ${unpriced.join(", ")}`;
      return {
        status: "warn",
        message,
        fix: "A cost limit refuses them: add price to their [models.*] on the gateway",
      };
    }
    if (names.some((name) => name !== "synth-demo")) return ok(names.join(", "));
    return {
      status: "warn",
      message: "only synth-demo, which is no language model",
      fix: "synth config init, fill in an upstream, start the gateway again",
    };
  });
}

/** Runs one check; what it throws is its failure and its fix. */
async function attempt<T>(
  checks: Check[],
  name: string,
  look: () => Promise<T>,
  judge: (value: T) => Omit<Check, "name">,
): Promise<T | null> {
  try {
    const value = await look();
    checks.push({ name, ...judge(value) });
    return value;
  } catch (error) {
    if (!(error instanceof SynthError)) throw error;
    const { message, hint = null, code } = error;
    checks.push({ name, status: "fail", message: `${message} [${code}]`, fix: hint });
    return null;
  }
}

function ok(message: string): Omit<Check, "name"> {
  return { status: "ok", message, fix: null };
}

function skip(name: string): Check {
  return { name, status: "skip", message: "not looked at", fix: "Mend what failed before it" };
}

const COLORS = { ok: "green", warn: "yellow", fail: "red", skip: "yellow" } as const;

function lineOf(context: CliContext, { name, status, message, fix }: Check): string {
  const mark = colored(COLORS[status], status.padEnd(4), context.process.stdout);
  const line = `${mark}  ${name.padEnd(13)}  ${message}\n`;
  return fix === null ? line : `${line}${" ".repeat(21)}-> ${fix}\n`;
}
