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
