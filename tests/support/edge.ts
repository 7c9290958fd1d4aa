/** The gateway at the edge, as its users run it: real workerd through miniflare, and `deno serve` without files. @module */
import { generateSealKey } from "@synth/gateway";
import { buildWorker } from "../../gateway/runtime/build_worker.ts";
import { installClient } from "./install.ts";
import type { Rec } from "./response_shape.ts";
import { temporaryDirectory } from "./synth_process.ts";

const KEY = "sk-synth-edge-0123456789abcdef0123456789abcd";
/** The deadline for starting, in milliseconds. */
const START_MS = 60_000;

/** Sends a request to the n-th of several gateways. */
export type Ask = (
  n: number,
  method: string,
  path: string,
  body?: unknown,
  headers?: Rec,
  signal?: AbortSignal,
) => Promise<Response>;

/** Gateways that share their state. Disposing ends them and throws when one ended badly. */
export interface EdgeGateways extends AsyncDisposable {
  readonly origins: readonly string[];
  /** Sends a request with the key to the n-th gateway, counted around. */
  readonly ask: Ask;
  /** What {@linkcode ask} sends with every request. */
  readonly headers: { readonly authorization: string };
  /** All that was logged so far. */
  output(): string;
  /** Resolves with all that was logged so far, once it contains the text. */
  says(text: string): Promise<string>;
  /** Sends a signal to the process that was started, and gives what it ends with. */
  end(signal: Deno.Signal): Promise<Deno.CommandStatus>;
}

/** The environment of a gateway at the edge. */
export function edgeEnvironment(
  config: string,
  store: { readonly url: string; readonly token: string },
): Record<string, string> {
  return {
    SYNTH_CONFIG_TOML: config.replace("[gateway]", '[gateway]\nstore = "upstash"'),
    UPSTASH_REDIS_REST_URL: store.url,
    UPSTASH_REDIS_REST_TOKEN: store.token,
    SYNTH_API_KEY: KEY,
    SYNTH_SEAL_KEYS: generateSealKey("k1"),
  };
}

/** Bundles the Worker and runs it in so many instances of workerd, each a process of its own. */
export async function startWorkers(
  bindings: Record<string, string>,
  instances = 1,
): Promise<EdgeGateways> {
  await using directory = await temporaryDirectory();
  const script = `${directory.path}/worker.js`;
  await buildWorker(script);
  // The script is read when workerd starts, so its directory may go when the addresses are known.
  return await runWorker(script, { bindings, instances, config: await wranglerConfig() });
}

/** Runs a bundled Worker, of whatever app, in instances of workerd. */
export async function runWorker(
  scriptPath: string,
  options: {
    readonly bindings: Record<string, string>;
    readonly config: WorkerConfig;
    /** @default {1} */
    readonly instances?: number;
  },
): Promise<EdgeGateways> {
  const { bindings, config, instances = 1 } = options;
  const tools = await installClient("wrangler");
  const driver = new URL("miniflare_driver.mjs", import.meta.url);
  const child = new Deno.Command("node", {
    args: [driver.pathname],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const input = child.stdin.getWriter();
  const asked = {
    tools,
    instances,
    scriptPath,
    bindings,
    compatibilityDate: config.compatibility_date,
    compatibilityFlags: config.compatibility_flags,
  };
  await input.write(new TextEncoder().encode(JSON.stringify(asked) + "\n"));
  const stop = async (): Promise<void> => {
    await input.close().catch(() => {});
  };
  return await gatewaysOf(child, stop, (text) => {
    const line = /^\[.*\]$/m.exec(text)?.[0];
    return line === undefined ? null : JSON.parse(line);
  });
}

/** Runs `gateway/runtime/deploy.ts` under `deno serve`, with nothing but the network and the environment. */
export async function startDeploy(env: Record<string, string>): Promise<EdgeGateways> {
  const entry = new URL("../../gateway/runtime/deploy.ts", import.meta.url);
  const permissions = ["--no-prompt", "--allow-net", "--allow-env"];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["serve", ...permissions, "--host", "127.0.0.1", "--port", "0", entry.href],
    clearEnv: true,
    env: { ...inherited(), ...env, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stop = (): Promise<void> => {
    kill(child, "SIGTERM");
    return Promise.resolve();
  };
  return await gatewaysOf(child, stop, (text) => {
    const found = /http:\/\/127\.0\.0\.1:\d+/.exec(text)?.[0];
    return found === undefined ? null : [found];
  });
}

/** What workerd must know of a Worker, as `wrangler.jsonc` has it. */
export interface WorkerConfig {
  readonly compatibility_date: string;
  readonly compatibility_flags: string[];
}

/** What the repository deploys with. */
export async function wranglerConfig(): Promise<WorkerConfig> {
  const text = await Deno.readTextFile(new URL("../../wrangler.jsonc", import.meta.url));
  return JSON.parse(text.replace(/^\s*\/\/.*$/gm, ""));
}

async function gatewaysOf(
  child: Deno.ChildProcess,
  stop: () => Promise<void>,
  find: (text: string) => string[] | null,
): Promise<EdgeGateways> {
  let text = "";
  let wake = Promise.withResolvers<void>();
  let over = false;
  const read = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
      text += piece;
      wake.resolve();
      wake = Promise.withResolvers();
    }
  };
  const ended = Promise.all([child.status, read(child.stdout), read(child.stderr)]).then(
    ([status]) => {
      over = true;
      wake.resolve();
      return status;
    },
  );
  async function until<T>(look: () => T | null): Promise<T> {
    for (let found = look();; found = look()) {
      if (found !== null) return found;
      if (over) throw new Error(`it ended:\n${text}`);
      await wake.promise;
    }
  }
  async function dispose(): Promise<void> {
    await stop();
    const { code } = await ended;
    if (code !== 0) throw new Error(`it exited with ${code}:\n${text}`);
  }
  const timer = setTimeout(() => kill(child, "SIGKILL"), START_MS);
  let origins: string[];
  try {
    origins = await until(() => find(text));
  } catch (error) {
    await stop();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  return {
    origins,
    headers: { authorization: `Bearer ${KEY}` },
    ask: (n, method, path, body, headers, signal) =>
      fetch(`${origins[n % origins.length]}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${KEY}`,
          "content-type": "application/json",
          ...(headers ?? {}) as Record<string, string>,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal }),
      }),
    output: () => text,
    says: (wanted) => until(() => text.includes(wanted) ? text : null),
    end(signal) {
      kill(child, signal);
      return ended;
    },
    [Symbol.asyncDispose]: dispose,
  };
}

/** What Deno needs to find its cache, and nothing that configures synth. */
function inherited(): Record<string, string> {
  const names = /^(?:PATH|HOME|DENO_.*|XDG_CACHE_HOME|LOCALAPPDATA|SystemRoot|TEMP|TMP|TMPDIR)$/;
  return Object.fromEntries(
    Object.entries(Deno.env.toObject()).filter(([name]) => names.test(name)),
  );
}

function kill(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    // It has ended.
  }
}
