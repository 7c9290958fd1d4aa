/**
 * Bundles the Worker into one file and holds it to its size: `deno task build:worker`.
 *
 * @module
 */
import { gzipSync } from "node:zlib";

/** The most that the file may weigh, in bytes after gzip. */
export const MAX_GZIP_BYTES = 250_000;

/** Weights of a bundle. */
export interface BuiltWorker {
  readonly bytes: number;
  /** After gzip, level 9. */
  readonly gzipBytes: number;
}

/**
 * Writes the bundle.
 *
 * @throws {Error} when it cannot be made, imports anything, declares with `using`, or is too heavy
 */
export async function buildWorker(path: string): Promise<BuiltWorker> {
  const entry = new URL("worker_main.ts", import.meta.url);
  await deno("bundle", "--quiet", "--minify", "--platform", "browser", "-o", path, entry.href);
  const imports = await importsOf(path);
  if (imports.length > 0) throw new Error(`${path} imports ${imports.join(", ")}`);
  const code = await Deno.readFile(path);
  refuseUsing(path, new TextDecoder().decode(code));
  const built = { bytes: code.length, gzipBytes: gzipSync(code, { level: 9 }).length };
  if (built.gzipBytes > MAX_GZIP_BYTES) {
    throw new Error(`${path}: ${built.gzipBytes} bytes gzipped, allowed are ${MAX_GZIP_BYTES}`);
  }
  return built;
}

/** The bundler passes `using` on, and miniflare's parser, for one, does not know it. */
function refuseUsing(path: string, code: string): void {
  const found = /[;{}]\s*(?:await )?using [\w$]+\s*=.{0,80}/.exec(code)?.[0];
  if (found === undefined) return;
  throw new Error(`${path} has a "using" declaration (write try and finally): ${found}`);
}

/** Workers get one file: what it imports would not be there. */
async function importsOf(path: string): Promise<string[]> {
  const info = JSON.parse(await deno("info", "--json", "--no-config", path));
  const modules: readonly { dependencies?: readonly { specifier: string }[] }[] = info.modules;
  return modules.flatMap((module) => (module.dependencies ?? []).map(({ specifier }) => specifier));
}

async function deno(...args: string[]): Promise<string> {
  const command = new Deno.Command(Deno.execPath(), {
    args,
    cwd: new URL("../..", import.meta.url),
    stdin: "null",
    env: { NO_COLOR: "1" },
  });
  const { success, stdout, stderr } = await command.output();
  if (success) return new TextDecoder().decode(stdout);
  throw new Error(`deno ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

async function main(): Promise<void> {
  const directory = new URL("../../dist/", import.meta.url);
  await Deno.mkdir(directory, { recursive: true });
  const { bytes, gzipBytes } = await buildWorker("dist/worker.js");
  const line = `dist/worker.js: ${bytes} bytes, ${gzipBytes} gzipped (at most ${MAX_GZIP_BYTES})\n`;
  Deno.stdout.writeSync(new TextEncoder().encode(line));
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    Deno.stderr.writeSync(new TextEncoder().encode(`error: ${text}\n`));
    Deno.exit(1);
  }
}
