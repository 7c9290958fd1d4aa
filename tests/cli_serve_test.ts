/** `synth serve`, as its users run it. @module */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { SynthError } from "@synth/core";
import { findDeno } from "../cli/commands/serve_process.ts";
import {
  startSynth,
  type SynthProcess,
  type SynthResult,
  temporaryDirectory,
} from "./support/synth_process.ts";

const KEY = "key-of-the-serve-tests";

const CONFIG = `
const info = { task: { id: "echo", name: "Echo" }, environment: "echo" };
export const config = {
  appId: "echo", name: "Echo", description: "", baseTaskInfo: info,
  describeTaskset: () => ({ size: VERSION, secret: Deno.env.get("FROM_FILE") ?? null }),
  provideTaskInstances: (seeds) => seeds.map(() => info),
  rollout: (request) => ({
    run_id: request.run_id, metrics: { episode_returns: [1], mean_return: 1, num_steps: 1 },
  }),
};
console.log("printed by the file");
`;

/** A directory with a task app, and `synth serve` in it. */
interface Room extends AsyncDisposable {
  readonly path: string;
  write(name: string, text: string): Promise<void>;
  serve(args: readonly string[], env?: Record<string, string>): SynthProcess;
  records(): Promise<Record<string, unknown>[]>;
}

async function room(source = CONFIG.replace("VERSION", "1")): Promise<Room> {
  await using stack = new AsyncDisposableStack();
  const dir = stack.use(await temporaryDirectory());
  const write = (name: string, text: string) => Deno.writeTextFile(`${dir.path}/${name}`, text);
  await write("app.ts", source);
  const owned = stack.move();
  return {
    path: dir.path,
    write,
    serve: (args, env = { ENVIRONMENT_API_KEY: KEY }) =>
      startSynth(["serve", ...args], {
        cwd: dir.path,
        env: { SYNTH_HOME: `${dir.path}/.home`, ...env },
        permissions: ["run"],
      }),
    records: async () =>
      JSON.parse(await Deno.readTextFile(`${dir.path}/.home/services.json`)).services,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function ready(
  process: SynthProcess,
): Promise<{ url: string; port: number; app_id: string }> {
  return JSON.parse(await process.stdoutUntil((text) => text.includes("\n}\n")));
}

async function ask(url: string, path: string, key = KEY): Promise<[number, string]> {
  const response = await fetch(url + path, { headers: { "x-api-key": key } });
  return [response.status, await response.text()];
}

async function end(process: SynthProcess, signal: Deno.Signal = "SIGTERM"): Promise<SynthResult> {
  process.child.kill(signal);
  return await process.result;
}

async function listens(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}

Deno.test("synth serve serves a configuration, records it and leaves nothing behind", async () => {
  await using one = await room();
  await using process = one.serve(["app.ts", "--port", "0", "--json"]);
  const { url, port, app_id } = await ready(process);
  assertEquals(app_id, "echo");
  assertEquals((await ask(url, "/health"))[0], 200);
  assertEquals((await ask(url, "/health", "another"))[0], 401);
  const [record] = await one.records();
  assertEquals([record?.["port"], record?.["app_id"], record?.["pid"]], [
    port,
    "echo",
    process.child.pid,
  ]);
  const result = await end(process);
  assertEquals(result.code, 0, result.stderr);
  assertStringIncludes(result.stderr, "printed by the file");
  assertEquals([await one.records(), await listens(port)], [[], false]);
});

Deno.test("synth serve prints the address alone, and ends on Ctrl-C", async () => {
  await using one = await room();
  await using process = one.serve(["app.ts", "--port", "0"]);
  const url = await process.firstLine();
  assertEquals((await ask(url, "/livez"))[0], 200);
  const result = await end(process, "SIGINT");
  assertEquals([result.code, result.stdout], [0, `${url}\n`]);
});

Deno.test("synth serve takes variables from env files, and keeps those that are set", async () => {
  await using one = await room();
  await one.write("a.env", `ENVIRONMENT_API_KEY=${KEY}\nexport FROM_FILE="a # b"\n`);
  await one.write("b.env", "FROM_FILE=later\n");
  const args = ["app.ts", "--port", "0", "--json", "--env-file", "a.env", "--env-file", "b.env"];
  await using process = one.serve(args, {});
  const { url } = await ready(process);
  assertStringIncludes((await ask(url, "/task_info"))[1], '"secret":"a # b"');
  assertEquals((await end(process)).code, 0);
  await using set = one.serve(args, { ENVIRONMENT_API_KEY: "another-key", FROM_FILE: "set" });
  const again = await ready(set);
  assertStringIncludes((await ask(again.url, "/task_info", "another-key"))[1], '"secret":"set"');
  assertEquals((await end(set)).code, 0);
});

Deno.test("synth serve puts no key into an argument or an output", async () => {
  await using one = await room();
  await using process = one.serve(["app.ts", "--port", "0", "--json"]);
  await ready(process);
  const { stdout } = await new Deno.Command("ps", { args: ["-A", "-o", "args"] }).output();
  assertEquals(new TextDecoder().decode(stdout).includes(KEY), false);
  const result = await end(process);
  assertEquals((result.stdout + result.stderr).includes(KEY), false);
});

Deno.test("synth serve serves an app of a project that does not know the toolkit", async () => {
  await using one = await room("export default { fetch: () => new Response('plain') };\n");
  await one.write("deno.json", "{}");
  await using process = one.serve(["app.ts", "--port", "0", "--json"]);
  const { url } = await ready(process);
  assertEquals(await ask(url, "/anything"), [200, "plain"]);
  assertEquals((await end(process)).code, 0);
});

Deno.test("synth serve --watch starts a changed file anew and keeps the old app when that fails", async () => {
  await using one = await room();
  await using process = one.serve(["app.ts", "--port", "0", "--json", "--watch"]);
  const { url } = await ready(process);
  assertStringIncludes((await ask(url, "/task_info"))[1], '"size":1');
  await one.write("app.ts", "syntax(");
  await process.saysOnStderr("Waiting for the next change");
  assertStringIncludes((await ask(url, "/task_info"))[1], '"size":1');
  await one.write("app.ts", CONFIG.replace("VERSION", "2"));
  await process.saysOnStderr("was started anew");
  assertStringIncludes((await ask(url, "/task_info"))[1], '"size":2');
  const result = await end(process);
  assertEquals(result.code, 0, result.stderr);
});

Deno.test("synth serve --watch gives up a file that never loads when it changes again", async () => {
  await using one = await room();
  await using process = one.serve(["app.ts", "--port", "0", "--json", "--watch"]);
  const { url } = await ready(process);
  await one.write(
    "app.ts",
    "console.log('hangs');\nawait new Promise(() => setInterval(() => {}, 1e6));",
  );
  await process.saysOnStderr("hangs\n");
  await one.write("app.ts", CONFIG.replace("VERSION", "3"));
  await process.saysOnStderr("was started anew");
  assertStringIncludes((await ask(url, "/task_info"))[1], '"size":3');
  const result = await end(process);
  assertEquals(result.code, 0, result.stderr);
});

Deno.test("synth serve --watch says when the app has ended, and starts it at the next change", async () => {
  await using one = await room(
    "export default (r) => r.url.endsWith('/die') ? Deno.exit(9) : new Response('one');\n",
  );
  await using process = one.serve(["app.ts", "--port", "0", "--json", "--watch"]);
  const { url } = await ready(process);
  await assertRejects(() => fetch(`${url}/die`));
  await process.saysOnStderr("ended with code 9");
  await one.write("app.ts", "export default () => new Response('two');\n");
  await process.saysOnStderr("was started anew");
  assertEquals(await ask(url, "/health"), [200, "two"]);
  const result = await end(process);
  assertEquals(result.code, 0, result.stderr);
});

Deno.test("synth serve prints what has no line's end, and messages are no part of it", async () => {
  await using one = await room(`
    const write = (text) => Deno.stdout.writeSync(new TextEncoder().encode(text));
    write("at 10%\\r\\x1e not ours \\x1e");
    export default (request) => {
      if (request.url.endsWith("/more")) write("at 20%");
      return new Response("fine");
    };
  `);
  await using process = one.serve(["app.ts", "--port", "0", "--json"]);
  const { url } = await ready(process);
  await process.saysOnStderr("at 10%\r\x1e not ours ");
  await ask(url, "/more");
  await process.saysOnStderr("at 20%");
  const result = await end(process);
  assertEquals(result.code, 0, result.stderr);
  assert(!result.stderr.includes('"did"'));
});

Deno.test("synth serve says what is wrong, with the exit code of it", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const cases: [string, string[], Record<string, string>, number, string][] = [
    ["", ["none.ts"], {}, 3, "There is no file"],
    ["", ["app.ts", "--allow", "everything"], {}, 2, "write net, env"],
    ["", ["app.ts", "--env-file", "none.env"], {}, 3, "none.env"],
    ["", ["app.ts"], { ENVIRONMENT_API_KEY: "" }, 4, "environment_api_key_missing"],
    ["export const a = 1;", ["app.ts"], {}, 2, "it exports a (number)"],
    ["throw new Error('at import');", ["app.ts"], {}, 1, "at import"],
    [CONFIG, ["app.ts", "--port", String(taken.addr.port)], {}, 69, "port_in_use"],
    ["export default () => new Response('', { status: 401 });", ["app.ts"], {}, 4, "refused"],
    ["Deno.exit(7);", ["app.ts"], {}, 1, "ended with code 7"],
  ];
  await Promise.all(cases.map(async ([source, args, env, code, text]) => {
    await using one = await room(source.replace("VERSION", "1"));
    const port = args.includes("--port") ? [] : ["--port", "0"];
    await using process = one.serve([...args, ...port], { ENVIRONMENT_API_KEY: KEY, ...env });
    const result = await process.result;
    assertEquals(result.code, code, result.stderr);
    assertStringIncludes(result.stderr, text);
    assertEquals(result.stdout, "");
  }));
});

Deno.test("synth serve ends a file that never loads", async () => {
  await using one = await room(
    "console.log('loading');\nawait new Promise(() => setInterval(() => {}, 1e6));",
  );
  await using process = one.serve(["app.ts"]);
  await process.saysOnStderr("loading");
  const result = await end(process, "SIGINT");
  assertEquals(result.code, 130, result.stderr);
});

Deno.test("synth serve kills a file that hears nothing, on the second signal", async () => {
  await using one = await room("console.log('loading');\nwhile (true);");
  await using process = one.serve(["app.ts"]);
  await process.saysOnStderr("loading");
  process.child.kill("SIGINT");
  await process.saysOnStderr("a second signal");
  // Its end closes the outputs, which the file's process has, too: this waits for both.
  const result = await end(process, "SIGTERM");
  assertEquals(result.code, 130, result.stderr);
});

Deno.test("synth serve leaves no task app behind when it is killed", async () => {
  await using one = await room();
  await using process = one.serve(["app.ts", "--port", "0", "--json"]);
  const { port } = await ready(process);
  await end(process, "SIGKILL");
  // The app sees the end of its standard input, and stops.
  while (await listens(port));
  assert(!await listens(port));
});

Deno.test("findDeno wants a deno on the PATH of a compiled binary", async () => {
  const context = { env: { PATH: "/nowhere" }, os: "linux" } as const;
  const error = await assertRejects(() => findDeno(context, true), SynthError);
  assertEquals([error.code, error.exitCode], ["deno_not_found", 127]);
  assertEquals(await findDeno(context, false), Deno.execPath());
});
