import { assert, assertEquals } from "@std/assert";
import { isProcessAlive } from "@synth/core/platform";
import { listens } from "./testing/doubles.ts";

const PROGRAM = new URL("./testing/run_app.ts", import.meta.url).href;

/** A task app in a process of its own. */
interface RunningApp extends AsyncDisposable {
  readonly process: Deno.ChildProcess;
  readonly home: string;
  readonly port: number;
  readonly local: string;
  /** Pid of the child that stands for cloudflared. */
  readonly child: number;
  /** Resolves with the next line. */
  next(): Promise<Record<string, unknown>>;
  /** The lines until its end. */
  rest(): Promise<Record<string, unknown>[]>;
}

async function run(how = ""): Promise<RunningApp> {
  const home = await Deno.makeTempDir();
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", PROGRAM, home, how],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const lines = linesOf(process.stdout);
  const next = async (): Promise<Record<string, unknown>> => {
    const { value, done } = await lines.next();
    if (done) throw new Error("the process ended");
    return JSON.parse(value);
  };
  const { child } = await next();
  const { port, local } = await next();
  return {
    process,
    home,
    port: Number(port),
    local: String(local),
    child: Number(child),
    next,
    rest: async () => {
      const all: Record<string, unknown>[] = [];
      for await (const line of lines) all.push(JSON.parse(line));
      return all;
    },
    async [Symbol.asyncDispose]() {
      try {
        process.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await process.status;
      await Deno.remove(home, { recursive: true });
    },
  };
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let text = "";
  for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (text + piece).split("\n");
    text = lines.pop() ?? "";
    yield* lines;
  }
}

async function nothingLeft(app: RunningApp): Promise<void> {
  assertEquals(isProcessAlive(app.child), false);
  assertEquals(await listens(app.port), false);
  const file = JSON.parse(await Deno.readTextFile(`${app.home}/services.json`));
  assertEquals(file.services, []);
}

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.test({
    name: `stopOnSignals ends the process on ${signal} with ${code} and leaves no child`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      await using app = await run();
      assertEquals(isProcessAlive(app.child), true);
      app.process.kill(signal);
      assertEquals(await app.rest(), [{ stopping: true }]);
      assertEquals((await app.process.status).code, code);
      await nothingLeft(app);
    },
  });
}

Deno.test({
  name:
    "stopOnSignals takes an echo for one wish, lets a second wish hurry, and still leaves no child",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using app = await run("hang");
    app.process.kill("SIGINT");
    assertEquals(await app.next(), { stopping: true });
    // Another signal is another wish at once; the same one within half a second is taken for an echo.
    app.process.kill("SIGINT");
    app.process.kill("SIGTERM");
    assertEquals(await app.rest(), []);
    assertEquals((await app.process.status).code, 130);
    await nothingLeft(app);
  },
});

Deno.test({
  name: "stopOnSignals leaves the listeners of others in force",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using app = await run("listener");
    app.process.kill("SIGINT");
    const lines = await app.rest();
    assertEquals(lines.filter((line) => line["chained"]).length, 1);
    assert(lines.some((line) => line["stopping"]));
    assertEquals((await app.process.status).code, 130);
    await nothingLeft(app);
  },
});

Deno.test("InProcessTaskApp on every address has a URL that can be called", async () => {
  await using app = await run("every-address");
  assertEquals(app.local, `http://127.0.0.1:${app.port}`);
  const response = await fetch(`${app.local}/health`);
  assertEquals(response.status, 200);
  await response.body?.cancel();
  app.process.kill("SIGTERM");
  await app.rest();
});
