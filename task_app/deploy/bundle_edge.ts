/** Makes one module of a task app and all that it imports. @module */
import { gzipSync } from "node:zlib";
import { EXIT, redactText, SynthError } from "@synth/core";
import { BUNDLE_MARK, edgeEntry, type EdgeToolkit } from "./edge_files.ts";
import { type ProgramResult, runProgram } from "./run_program.ts";

const WORDS_SHOWN = 3000;
/** Modules of Node that need a disk, processes or sockets that listen. */
const NO_EDGE =
  /^node:(?:fs|fs\/promises|child_process|cluster|worker_threads|sqlite|repl|dgram|inspector|v8|vm)$/;

/** What is bundled, and by what. */
export interface BundleOptions {
  readonly deno: string;
  /** The user's file, as a URL. */
  readonly fileUrl: string;
  readonly fileName: string;
  /** Its `deno.json`; `null`: none. */
  readonly denoConfig: string | null;
  /** Specifiers of `@synth/task-app/edge`, best first, and `null` for none. */
  readonly toolkits: readonly EdgeToolkit[];
  /** An existing directory for the entry, in which nobody else writes. */
  readonly directory: string;
  /** Path of the bundle. */
  readonly output: string;
  readonly platform: "worker" | "deno";
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** A bundle. */
export interface EdgeBundle {
  readonly path: string;
  readonly bytes: number;
  /** After gzip, level 9: what platforms count. */
  readonly gzipBytes: number;
  /** Modules of Node that it imports. */
  readonly nodeModules: readonly string[];
}

/**
 * Bundles a file with the server around it.
 *
 * @throws {SynthError} `bundle_failed`; `task_app_needs_files` (exit code 6) when it imports what there is not at the edge
 */
export async function bundleEdge(options: BundleOptions): Promise<EdgeBundle> {
  const { output, platform } = options;
  await tryToolkits(options);
  const imports = await importsOf(options);
  const impossible = imports.filter((name) => NO_EDGE.test(name) || !name.startsWith("node:"));
  if (impossible.length > 0) {
    throw new SynthError(`The task app imports ${impossible.join(", ")}`, {
      code: "task_app_needs_files",
      exitCode: EXIT.checks,
      hint:
        "At the edge there are no files and processes: deploy it with --runtime local, tunnel or modal",
    });
  }
  const code = new TextEncoder().encode(`${BUNDLE_MARK}\n${await Deno.readTextFile(output)}`);
  await Deno.writeFile(output, code);
  return {
    path: output,
    bytes: code.length,
    gzipBytes: gzipSync(code, { level: 9 }).length,
    nodeModules: platform === "worker" ? imports : [],
  };
}

/** A project knows the toolkit by its own import map, from JSR, or not at all. */
async function tryToolkits(options: BundleOptions): Promise<void> {
  const { fileUrl, fileName, toolkits, directory, output, platform } = options;
  let first: ProgramResult | null = null;
  for (const toolkit of toolkits) {
    const entry = `${directory}/entry.mjs`;
    await Deno.writeTextFile(entry, edgeEntry(fileUrl, fileName, toolkit), { mode: 0o600 });
    const target = platform === "worker" ? "browser" : "deno";
    const args = ["bundle", "--quiet", "--platform", target, "-o", output];
    const result = await deno(options, [...args, ...configOf(options), entry]);
    await Deno.remove(entry);
    if (result.code === 0) return;
    first ??= result;
    // Another way to the toolkit changes nothing about a file that cannot be bundled.
    if (toolkit === null || !result.stderr.includes(toolkit)) break;
  }
  throw new SynthError(`The task app cannot be bundled: ${shown(first?.stderr ?? "")}`, {
    code: "bundle_failed",
    hint: 'Run "deno check" on the file',
  });
}

async function importsOf(options: BundleOptions): Promise<string[]> {
  const { code, stdout, stderr } = await deno(options, [
    "info",
    "--json",
    "--no-config",
    options.output,
  ]);
  if (code !== 0) {
    throw new SynthError(`The bundle cannot be read: ${shown(stderr)}`, { code: "bundle_failed" });
  }
  const info: { modules: readonly { dependencies?: readonly { specifier: string }[] }[] } = JSON
    .parse(stdout);
  const found = info.modules.flatMap(({ dependencies = [] }) =>
    dependencies.map(({ specifier }) => specifier)
  );
  return [...new Set(found)].sort();
}

function configOf({ denoConfig }: BundleOptions): string[] {
  return denoConfig === null ? ["--no-config"] : ["--config", denoConfig];
}

async function deno(
  { deno: program, directory, env, signal }: BundleOptions,
  args: readonly string[],
): Promise<ProgramResult> {
  return await runProgram({
    program,
    args,
    env: { ...env, NO_COLOR: "1" },
    cwd: directory,
    signal,
  });
}

function shown(text: string): string {
  // deno-lint-ignore no-control-regex -- they would move the cursor
  return redactText(text).replace(/[\x00-\x09\x0b-\x1f\x7f-\x9f]+/g, " ").trim()
    .slice(0, WORDS_SHOWN);
}
