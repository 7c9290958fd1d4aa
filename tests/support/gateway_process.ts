/**
 * The gateway as its users start it: `synth up` in a process of its own, with a state directory of its own.
 *
 * @module
 */

const KEY = "sk-synth-test-0123456789abcdef0123456789abcdef";

/** A running gateway. Disposing asks it to stop and throws unless it exits with 0. */
export interface RunningGateway extends AsyncDisposable {
  /** `http://127.0.0.1:<port>`, without a path. */
  readonly origin: string;
  /** A key with all scopes. */
  readonly apiKey: string;
  /** Its `SYNTH_HOME`. */
  readonly home: string;
  /** What it has printed so far, both streams together. */
  output(): string;
  /** Sends a signal. */
  signal(signal: Deno.Signal): void;
}

/** What a test wants of its gateway. */
export interface GatewayProcessOptions {
  /** The text of `synth.toml`. */
  readonly config: string;
  /** More environment. */
  readonly env?: Record<string, string>;
  /** Milliseconds to wait for the address, and at the end for the exit. @default {30000} */
  readonly deadline?: number;
}

/** Starts `synth up` on a free port of 127.0.0.1 and waits until it listens. */
export async function startGatewayProcess(
  options: GatewayProcessOptions,
): Promise<RunningGateway> {
  const deadline = options.deadline ?? 30_000;
  const home = await Deno.makeTempDir({ prefix: "synth-gateway-" });
  const config = `${home}/synth.toml`;
  await Deno.writeTextFile(config, options.config);
  const main = new URL("../../cli/main.ts", import.meta.url);
  const permissions = ["--allow-net", "--allow-env", "--allow-read", "--allow-write"];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", ...permissions, "--allow-sys", main.href, "up", "--port", "0"]
      .concat("--config", config),
    cwd: home,
    clearEnv: true,
    env: { ...environment(), SYNTH_HOME: home, SYNTH_API_KEY: KEY, ...options.env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();

  let printed = "";
  const address = Promise.withResolvers<string>();
  const read = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      printed += text;
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(printed)?.[0];
      if (found !== undefined) address.resolve(found);
    }
  };
  const reading = Promise.all([read(child.stdout), read(child.stderr)]);
  const ended = Promise.all([child.status, reading]);
  ended.then(() => address.reject(new Error(`the gateway ended:\n${printed}`)), address.reject);

  const stop = async (): Promise<Deno.CommandStatus> => {
    const alive = kill(child, "SIGTERM");
    const timer = setTimeout(() => alive && kill(child, "SIGKILL"), deadline);
    await ended;
    clearTimeout(timer);
    await Deno.remove(home, { recursive: true });
    return await child.status;
  };
  const timer = setTimeout(
    () => address.reject(new Error(`the gateway printed no address:\n${printed}`)),
    deadline,
  );
  let origin: string;
  try {
    origin = await address.promise;
  } catch (error) {
    await stop();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  return {
    origin,
    apiKey: KEY,
    home,
    output: () => printed,
    signal: (signal) => child.kill(signal),
    async [Symbol.asyncDispose](): Promise<void> {
      const status = await stop();
      if (status.code !== 0) throw new Error(`the gateway exited with ${status.code}:\n${printed}`);
    },
  };
}

/** A configuration that sends `mock-*` and the configured names to one scripted upstream. */
export function scriptedConfig(baseUrl: string, gateway = ""): string {
  return `
[gateway]
${gateway}
[upstreams.scripted]
base_url = "${baseUrl}"
[models."mock-*"]
upstream = "scripted"
price = "free"
bounds = { image_tokens = 2000 }
[models."synth-small"]
upstream = "scripted"
model = "scripted/small-20b"
price = { input = 0.075, cached_input = 0.0375, output = 0.30 }
context_window = 131072
max_output_tokens = 32768
bounds = { image_tokens = 2000 }
`;
}

/** Our own environment without what would configure the gateway. */
function environment(): Record<string, string> {
  const foreign = (name: string) => name.startsWith("SYNTH_") || name === "BACKEND_BASE_URL";
  return Object.fromEntries(
    Object.entries(Deno.env.toObject()).filter(([name]) => !foreign(name)),
  );
}

function kill(child: Deno.ChildProcess, signal: Deno.Signal): boolean {
  try {
    child.kill(signal);
    return true;
  } catch {
    return false; // it has ended already
  }
}
