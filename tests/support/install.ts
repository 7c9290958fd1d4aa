/**
 * Installs the pinned clients that the tests drive, once, into a cache outside of the repository.
 *
 * @module
 */

/** The clients, by the name that tests use. Versions are pinned: a client's new release shall not break our build. */
export const CLIENTS: { readonly [client in ClientName]: Client } = {
  codex: { name: "@openai/codex", version: "0.169.0" },
  opencode: { name: "opencode-ai", version: "1.18.33" },
  openai7: { name: "openai", version: "7.57.0" },
  openai6: { name: "openai", version: "6.49.0" },
  llmprobe: { name: "llmprobe", version: "0.6.12" },
  aisdk: {
    name: "ai",
    version: "7.0.173",
    beside: [
      "@ai-sdk/openai@4.0.118",
      "@ai-sdk/open-responses@2.0.36",
      "@ai-sdk/openai-compatible@3.0.92",
      "zod@4.6.7",
    ],
  },
  wrangler: { name: "wrangler", version: "4.86.0" },
  // Not driven but measured, beside ours: `deno task bench`.
  portkey: { name: "@portkey-ai/gateway", version: "1.15.2" },
};

/** Name of a client. */
export type ClientName =
  | "codex"
  | "opencode"
  | "openai7"
  | "openai6"
  | "llmprobe"
  | "aisdk"
  | "wrangler"
  | "portkey";

interface Client {
  readonly name: string;
  readonly version: string;
  /** Packages that it is used with. */
  readonly beside?: readonly string[];
}

/**
 * Makes sure that a client is installed; several test processes may ask at the same time.
 *
 * @returns its directory, which holds `node_modules`
 * @throws {Error} when npm is missing or fails
 */
export async function installClient(client: ClientName): Promise<string> {
  const { name, version, beside = [] } = CLIENTS[client];
  const cache = cacheDirectory();
  await Deno.mkdir(cache, { recursive: true });
  const dir = `${cache}/${name.replace("@", "").replace("/", "-")}-${version}`;
  using lock = await Deno.open(`${dir}.lock`, { create: true, write: true });
  await lock.lock(true);
  if (await exists(`${dir}/.complete`)) return dir;
  await Deno.remove(dir, { recursive: true }).catch(ignoreMissing);
  await Deno.mkdir(dir);
  await Deno.writeTextFile(`${dir}/package.json`, '{"private":true}\n');
  await npm(dir, [`${name}@${version}`, ...beside]);
  await Deno.writeTextFile(`${dir}/.complete`, "");
  return dir;
}

/** Path of Codex's own binary. Its launcher would stand between us and the process that a deadline ends. */
export async function codexBinary(): Promise<string> {
  const dir = await installClient("codex");
  const os = { linux: "linux", darwin: "darwin", windows: "win32" }[platform()];
  const arch = Deno.build.arch === "aarch64" ? "arm64" : "x64";
  const vendor = `${dir}/node_modules/@openai/codex-${os}-${arch}/vendor`;
  for await (const triple of Deno.readDir(vendor)) {
    return `${vendor}/${triple.name}/bin/codex${exe()}`;
  }
  throw new Error(`no binary in ${vendor}`);
}

/** Path of opencode's own binary. */
export async function opencodeBinary(): Promise<string> {
  const dir = await installClient("opencode");
  const arch = Deno.build.arch === "aarch64" ? "arm64" : "x64";
  const stem = `${dir}/node_modules/opencode-${platform()}-${arch}`;
  // The baseline build runs on processors without AVX2, too.
  for (const variant of [`${stem}-baseline`, stem]) {
    if (await exists(`${variant}/bin/opencode${exe()}`)) return `${variant}/bin/opencode${exe()}`;
  }
  throw new Error(`no opencode for ${platform()}-${arch}`);
}

/** Where clients are kept: `SYNTH_TEST_CACHE`, else in the user's cache directory. */
function cacheDirectory(): string {
  const given = Deno.env.get("SYNTH_TEST_CACHE");
  if (given) return given;
  const base = Deno.env.get("XDG_CACHE_HOME") ?? Deno.env.get("LOCALAPPDATA") ??
    `${Deno.env.get("HOME") ?? "."}/.cache`;
  return `${base}/synth-test-clients`;
}

async function npm(cwd: string, specs: readonly string[]): Promise<void> {
  const args = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--save-exact", ...specs];
  const command = new Deno.Command(Deno.build.os === "windows" ? "npm.cmd" : "npm", {
    args,
    cwd,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const output = await command.output().catch((cause) => {
    throw new Error("the client tests need npm: install Node.js 20 or newer", { cause });
  });
  if (output.success) return;
  throw new Error(`npm ${args.join(" ")}: ${new TextDecoder().decode(output.stderr)}`);
}

function platform(): "linux" | "darwin" | "windows" {
  const os = Deno.build.os;
  if (os === "darwin" || os === "windows") return os;
  return "linux";
}

function exe(): string {
  return Deno.build.os === "windows" ? ".exe" : "";
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    ignoreMissing(error);
    return false;
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
