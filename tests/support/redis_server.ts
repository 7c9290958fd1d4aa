/**
 * A real `redis-server` for a test: on loopback, on a free port, without persistence, gone when the test is.
 *
 * ```ts no-run
 * await using redis = await startRedis();
 * const transport = new RespTransport({ url: redis.url });
 * ```
 *
 * Start one for a test file and give each test an org (or a database number) of its own.
 *
 * @module
 */
import { installRedis } from "./redis_install.ts";

/** How the server is started. */
export interface RedisServerOptions {
  /** Keep data over {@linkcode RedisServer.restart}: append-only file, synced with every write. @default {false} */
  persist?: boolean;
  /** More arguments for `redis-server`. */
  args?: readonly string[];
}

/** A running server. */
export interface RedisServer extends AsyncDisposable {
  /** `redis://127.0.0.1:<port>/0`. */
  readonly url: string;
  readonly port: number;
  /** Lets the server end by itself (SIGTERM). */
  stop(): Promise<void>;
  /** Ends it like a crash (SIGKILL). */
  kill(): Promise<void>;
  /** Starts it again on the same port, after stopping it where it runs. */
  restart(): Promise<void>;
  /** Freezes the process (SIGSTOP): connections stay open and nothing answers. */
  pause(): void;
  /** Lets a frozen process go on. */
  resume(): void;
  /** Runs `redis-cli` and gives what it prints. */
  cli(...args: string[]): Promise<string>;
}

interface Running {
  readonly child: Deno.ChildProcess;
  readonly port: number;
}

/**
 * Starts a server and waits until it accepts connections.
 *
 * @throws when `redis-server` is not installed, unless `CI=true` or `SYNTH_TEST_INSTALL=1` allows to install it
 */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const dir = await Deno.makeTempDir({ prefix: "synth-redis-" });
  let running: Running | null = await launch(dir, null, options);
  const port = running.port;
  const onUnload = () => running?.child.kill("SIGKILL");
  globalThis.addEventListener("unload", onUnload);

  async function end(signal: Deno.Signal): Promise<void> {
    const { child } = running ?? {};
    running = null;
    if (child === undefined) return;
    try {
      child.kill("SIGCONT");
      child.kill(signal);
    } catch (error) {
      // It ended by itself, as after SHUTDOWN.
      if (!(error instanceof TypeError)) throw error;
    }
    await child.status;
  }

  return {
    url: `redis://127.0.0.1:${port}/0`,
    port,
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
    async restart() {
      await end("SIGTERM");
      running = await launch(dir, port, options);
    },
    pause: () => running?.child.kill("SIGSTOP"),
    resume: () => running?.child.kill("SIGCONT"),
    cli: (...args) => cli(port, args),
    async [Symbol.asyncDispose]() {
      globalThis.removeEventListener("unload", onUnload);
      await end("SIGKILL");
      await Deno.remove(dir, { recursive: true });
    },
  };
}

async function launch(
  dir: string,
  fixedPort: number | null,
  options: RedisServerOptions,
): Promise<Running> {
  for (let attempt = 0;; attempt++) {
    const port = fixedPort ?? freePort();
    const child = await spawn([
      ...["--bind", "127.0.0.1", "--port", String(port), "--dir", dir, "--save", ""],
      ...["--appendonly", options.persist ? "yes" : "no", "--appendfsync", "always"],
      ...["--maxmemory-policy", "noeviction", ...options.args ?? []],
    ]);
    const said = await readUntilReady(child);
    if (said === null) return { child, port };
    await child.status;
    // Somebody took the port between our look and the server's start.
    if (fixedPort === null && attempt < 5 && said.includes("in use")) continue;
    throw new Error(`redis-server did not start:\n${said}`);
  }
}

async function spawn(args: string[]): Promise<Deno.ChildProcess> {
  const command = new Deno.Command("redis-server", {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  });
  try {
    return command.spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await installRedis();
    return command.spawn();
  }
}

/** Gives `null` once the server is ready, or all that it said when it ended instead. Its later log goes nowhere. */
async function readUntilReady(child: Deno.ChildProcess): Promise<string | null> {
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  while (!said.includes("Ready to accept connections")) {
    const { done, value } = await reader.read();
    if (done) return said;
    said += value;
  }
  await reader.cancel();
  return null;
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function cli(port: number, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("redis-cli", {
    args: ["-h", "127.0.0.1", "-p", String(port), ...args],
    stdin: "null",
  }).output();
  const text = new TextDecoder().decode(stdout).trimEnd();
  if (!success) throw new Error(`redis-cli: ${text}${new TextDecoder().decode(stderr)}`);
  return text;
}
