/** What people see: real terminals, narrow and wide, with and without colours. @module */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { unicodeWidth } from "@std/cli/unicode-width";
import { type RunningGateway, startGatewayProcess } from "./support/gateway_process.ts";
import { runSynth, temporaryDirectory } from "./support/synth_process.ts";
import { openTerminal, type Terminal } from "./support/terminal.ts";

const MODEL = "a-model-with-a-name-that-is-far-too-long-for-a-narrow-terminal";

const CONFIG = `
[upstreams.nowhere]
base_url = "http://127.0.0.1:9/v1"
[models."${MODEL}"]
upstream = "nowhere"
price = { input = 0.075, output = 0.30, reasoning = 0.5 }
`;

async function room(): Promise<
  AsyncDisposable & {
    gateway: RunningGateway;
    env: Record<string, string>;
    open: (columns: number, args: string, env?: Record<string, string>) => Promise<Terminal>;
  }
> {
  await using stack = new AsyncDisposableStack();
  const gateway = stack.use(await startGatewayProcess({ config: CONFIG }));
  const home = stack.use(await temporaryDirectory());
  const env = {
    SYNTH_HOME: home.path,
    SYNTH_API_KEY: gateway.apiKey,
    BACKEND_BASE_URL: gateway.origin,
    NO_UPDATE_NOTIFIER: "1",
  };
  const main = new URL("../cli/main.ts", import.meta.url).pathname;
  const inherited = Object.fromEntries(
    Object.entries(Deno.env.toObject()).filter(([name]) =>
      /^(?:PATH|HOME|DENO_.*|XDG_CACHE_HOME)$/.test(name)
    ),
  );
  const owned = stack.move();
  return {
    gateway,
    env,
    open: (columns, args, more = {}) =>
      openTerminal({
        columns,
        command: `env ${assignments(more)} "${Deno.execPath()}" run --quiet -A "${main}" ${args}`,
        env: { ...inherited, ...env },
        cwd: home.path,
      }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** For the command itself: tmux has a TERM of its own. */
function assignments(env: Record<string, string>): string {
  return Object.entries(env).map(([name, value]) => `${name}=${value}`).join(" ");
}

function finished(text: string): boolean {
  return text.includes("exit code");
}

Deno.test("tables fit 80 columns and use 200; a pipe gets them whole", async () => {
  await using one = await room();
  for (
    const [columns, command] of [[80, "status pricing"], [80, "session list"], [80, "keys list"], [
      80,
      "balance",
    ]] as const
  ) {
    await using terminal = await one.open(columns, command);
    const screen = await terminal.screen(finished);
    assertStringIncludes(screen, "exit code 0");
  }
  await using narrow = await one.open(80, "status pricing");
  const short = await narrow.screen(finished);
  assert(!short.includes(MODEL));
  const row = short.split("\n").find((line) => line.startsWith("a-model"));
  assert(row !== undefined && unicodeWidth(row) <= 80, row);
  assertStringIncludes(row, "…");
  // The numbers are never cut.
  assertStringIncludes(row, "0.075");
  await using wide = await one.open(200, "status pricing");
  assertStringIncludes(await wide.screen(finished), MODEL);
  const piped = await runSynth(["status", "pricing"], { env: one.env });
  assertStringIncludes(piped.stdout, MODEL);
});

Deno.test("help fits its terminal, or wraps without harm", async () => {
  await using one = await room();
  await using terminal = await one.open(80, "--help");
  const screen = await terminal.screen(finished);
  assertStringIncludes(screen, "exit code 0");
  assertStringIncludes(screen, "completions");
});

Deno.test("session watch draws bars that follow the session, and Ctrl-C gives 130", async () => {
  await using one = await room();
  const { gateway, env } = one;
  const flags = ["--limit-api-calls", "4", "--limit-cost-usd", "1"];
  const made = await runSynth(["session", "create", ...flags], { env });
  const id = made.stdout.trim();
  for (const columns of [80, 200]) {
    await using terminal = await one.open(columns, `session watch --interval 0.1s ${id}`);
    const first = await terminal.screen((text) => text.includes("░"));
    assertStringIncludes(first, id);
    for (const line of first.split("\n")) assert(unicodeWidth(line) < columns, line);
    if (columns === 80) {
      const response = await fetch(`${gateway.origin}/v1/responses`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${gateway.apiKey}`,
          "content-type": "application/json",
          "x-synth-session-id": id,
        },
        body: JSON.stringify({ model: "synth-demo", input: "hi" }),
      });
      await response.body?.cancel();
    }
    const then = await terminal.screen((text) => text.includes("1 of 4"));
    assertStringIncludes(then, "█");
    // Drawn over, not below.
    assertEquals(then.split(id).length, 2);
    const colored = await terminal.screen(() => true, { colors: true });
    assertStringIncludes(colored, "\x1b[32m");
    await terminal.press("C-c");
    assertStringIncludes(await terminal.screen(finished), "exit code 130");
  }
  await using plain = await one.open(80, `session watch --once ${id}`, { NO_COLOR: "1" });
  await plain.screen(finished);
  const text = await plain.screen(() => true, { colors: true });
  assertStringIncludes(text, "█");
  assert(!text.includes("\x1b[3"), text);
  await using dumb = await one.open(80, `session watch --once ${id}`, { TERM: "dumb" });
  // No bars: a line of JSON, as off a terminal.
  assertStringIncludes(await dumb.screen(finished), '"api_calls":1');
});

Deno.test("colours come on a terminal, or where they are forced, and nowhere else", async () => {
  await using one = await room();
  const run = async (env: Record<string, string>): Promise<string> =>
    (await runSynth(["status", "pricing"], { env: { ...one.env, ...env } })).stdout;
  assert(!(await run({})).includes("\x1b["));
  assertStringIncludes(await run({ FORCE_COLOR: "1" }), "\x1b[1m");
  assert(!(await run({ FORCE_COLOR: "1", NO_COLOR: "1" })).includes("\x1b["));
});

Deno.test("synth setup asks at a terminal for the key of a gateway, and never shows it", async () => {
  await using one = await room();
  const { gateway, env } = one;
  await using terminal = await one.open(80, "setup");
  await terminal.screen((text) => text.includes("SYNTH_API_KEY:"));
  await terminal.press("-l", gateway.apiKey);
  await terminal.press("Enter");
  await terminal.screen((text) => text.includes("ENVIRONMENT_API_KEY (empty"));
  await terminal.press("Enter");
  const screen = await terminal.screen(finished);
  assertStringIncludes(screen, "exit code 0");
  assert(!screen.includes(gateway.apiKey.slice(8)), screen);
  const path = `${env.SYNTH_HOME}/credentials.json`;
  assertEquals(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
  const { SYNTH_API_KEY: _, ...without } = env;
  assertEquals((await runSynth(["balance"], { env: without })).code, 0);

  await using empty = await one.open(80, "setup --backend http://127.0.0.1:9");
  assertStringIncludes(
    await empty.screen((text) => text.includes("SYNTH_API_KEY:")),
    "cannot be reached at http://127.0.0.1:9",
  );
  await empty.press("Enter");
  const given = await empty.screen(finished);
  assertStringIncludes(given, "[setup_cancelled]");
  assertStringIncludes(given, "exit code 1");
  assertEquals(JSON.parse(await Deno.readTextFile(path)).backend, gateway.origin);
});

Deno.test("a command asks once a day for the newest version, and the next one tells it", async () => {
  await using one = await room();
  const asked: string[] = [];
  await using registry = await startRegistry("9.8.7", asked);
  const env = {
    NO_UPDATE_NOTIFIER: "",
    JSR_URL: `http://127.0.0.1:${registry.addr.port}/`,
  };
  const run = async (more: Record<string, string> = {}): Promise<string> => {
    await using terminal = await one.open(80, "version", { ...env, ...more });
    return await terminal.screen(finished);
  };
  for (const name of ["CI", "NO_UPDATE_NOTIFIER", "SYNTH_OFFLINE"]) {
    assert(!(await run({ [name]: "1" })).includes("note:"));
  }
  const file = `${one.env.SYNTH_HOME}/update.json`;
  assertEquals(await Deno.stat(file).catch(() => null), null);
  assert(!(await run()).includes("note:"));
  for (let left = 600; !(await Deno.readTextFile(file)).includes("9.8.7"); left--) {
    assert(left > 0, `no answer came; asked: ${asked.join(" ")}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const told = await run();
  assertStringIncludes(told, "note: synth 9.8.7 is out, this is ");
  assertStringIncludes(told, "exit code 0");
  assert(!(await run()).includes("note:"));
  assertEquals(asked.filter((path) => path === "/@synth/cli/meta.json").length, 1);
});

/** A package registry with one package, as Deno asks one. */
async function startRegistry(
  version: string,
  asked: string[],
): Promise<Deno.HttpServer<Deno.NetAddr>> {
  const code = new TextEncoder().encode(`export const VERSION = "${version}";\n`);
  const checksum = new Uint8Array(await crypto.subtle.digest("SHA-256", code)).toHex();
  const manifest = { "/version.ts": { size: code.length, checksum: `sha256-${checksum}` } };
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => {
    const { pathname } = new URL(url);
    asked.push(pathname);
    if (pathname === "/@synth/cli/meta.json") {
      const versions = { "0.1.0": {}, [version]: {}, "99.0.0-rc.1": {} };
      return Response.json({ scope: "synth", name: "cli", latest: version, versions });
    }
    if (pathname === `/@synth/cli/${version}_meta.json`) {
      return Response.json({ exports: { "./version": "./version.ts" }, manifest });
    }
    if (pathname !== `/@synth/cli/${version}/version.ts`) {
      return new Response(null, { status: 404 });
    }
    return new Response(code, { headers: { "content-type": "text/typescript" } });
  });
}
