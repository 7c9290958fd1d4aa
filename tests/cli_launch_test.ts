/** The launchers around a scripted agent: what the real ones do too slowly or not at all. @module */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type SessionObject, SynthClient } from "@synth/core/api";
import { startSynth, type SynthProcess, temporaryDirectory } from "./support/synth_process.ts";

/** Answers what launchers ask an agent about itself, then runs the script as the agent. */
function agentProgram(script: string): string {
  return `#!/bin/sh
case "$1" in --help) exit 0 ;; debug|models) exit 1 ;; esac
exec "${Deno.execPath()}" run --quiet -A "${script}"
`;
}

const PRELUDE = `
const url = Deno.env.get("TEST_GATEWAY");
const key = Deno.env.get("SYNTH_API_KEY");
const session = Deno.env.get("SYNTH_SESSION_ID");
const post = async (path, body, headers = { "x-synth-session-id": session }) => {
  const response = await fetch(url + path, {
    method: "POST",
    headers: { authorization: "Bearer " + key, "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
};
const infer = (headers) => post("/v1/responses", { model: "synth-demo", input: "hi" }, headers);
`;

interface Room extends AsyncDisposable {
  readonly home: string;
  /** Starts a gateway on the state of this room. */
  up(): Promise<{ readonly process: SynthProcess; readonly url: string; readonly key: string }>;
  launch(args: readonly string[], url: string): SynthProcess;
}

async function openRoom(agent: string, script: string): Promise<Room> {
  await using stack = new AsyncDisposableStack();
  const { path: home } = stack.use(await temporaryDirectory());
  await Deno.mkdir(`${home}/bin`);
  await Deno.mkdir(`${home}/state`, { mode: 0o700 });
  await Deno.writeTextFile(`${home}/agent.js`, PRELUDE + script);
  await Deno.writeTextFile(`${home}/bin/${agent}`, agentProgram(`${home}/agent.js`));
  await Deno.chmod(`${home}/bin/${agent}`, 0o755);
  const env = {
    SYNTH_HOME: `${home}/state`,
    PATH: `${home}/bin:${Deno.env.get("PATH") ?? ""}`,
  };
  const owned = stack.move();
  return {
    home,
    async up() {
      const process = owned.use(startSynth(["up", "--port", "0"], { env, cwd: home }));
      const url = /http:\/\/\S+?:\d+/.exec(await process.firstLine())?.[0] ?? "";
      return { process, url, key: (await Deno.readTextFile(`${home}/state/api_key`)).trim() };
    },
    launch: (args, url) =>
      owned.use(startSynth([agent, "--url", url, ...args], {
        env: { ...env, TEST_GATEWAY: url },
        cwd: home,
        permissions: ["run"],
      })),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Asks until the session is as wanted; the deadline makes a wrong one fail. */
async function until(
  client: SynthClient,
  id: string,
  wanted: (session: SessionObject) => boolean,
): Promise<SessionObject> {
  for (let left = 200;; left--) {
    const session = await client.sessions.get(id);
    if (wanted(session)) return session;
    assert(left > 0, JSON.stringify(session));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

for (const agent of ["codex", "opencode"]) {
  Deno.test(`synth ${agent}: a gateway that dies in mid-session takes neither exit code nor books along`, async () => {
    await using room = await openRoom(
      agent,
      `
console.log("first", (await infer()).status);
const failed = await new Promise((resolve) => {
  const again = () => infer().then(() => setTimeout(again, 100), (error) => resolve(error));
  again();
});
console.log(failed instanceof TypeError ? "away" : failed);
Deno.exit(7);
`,
    );
    const first = await room.up();
    const launched = room.launch(["--idle", "2s", "--limit-cost-usd", "1"], first.url);
    await launched.stdoutUntil((text) => text.includes("first 200"));
    first.process.child.kill("SIGKILL");
    const { code, stdout, stderr } = await launched.result;
    assertEquals([code, stdout.includes("away")], [7, true], stdout + stderr);
    const id = /sess_[0-9a-z]{26}/.exec(stderr)?.[0] ?? "";
    assertStringIncludes(
      stderr,
      `what session ${id} cost is not known: The gateway cannot be reached at ${first.url}. It ends by itself`,
    );
    assert(!stderr.includes(first.key), "no key is told");
    const second = await room.up();
    const client = new SynthClient({ baseUrl: second.url, apiKey: second.key });
    const session = await until(client, id, ({ status }) => status === "expired");
    const journal = await client.sessions.usage(id, { limit: 1000 });
    const calls = journal.reduce((sum, { amounts }) => sum + amounts.api_calls, 0);
    assert(calls >= 1);
    assertEquals(session.current_usage.api_calls, calls);
    for (const { overrun } of session.limits) assertEquals(overrun, 0);
    second.process.child.kill("SIGTERM");
    assertEquals((await second.process.result).code, 0);
  });
}

Deno.test("synth codex: a gateway that comes back in mid-session ends the session as ever", async () => {
  await using room = await openRoom(
    "codex",
    `
console.log("first", (await infer()).status);
while (!(await Deno.stat("back").catch(() => null))) await new Promise((r) => setTimeout(r, 50));
console.log("second", (await infer()).status);
`,
  );
  const first = await room.up();
  const launched = room.launch(["--limit-cost-usd", "1"], first.url);
  await launched.stdoutUntil((text) => text.includes("first 200"));
  first.process.child.kill("SIGKILL");
  await first.process.result;
  const port = new URL(first.url).port;
  await using again = startSynth(["up", "--port", port], {
    env: { SYNTH_HOME: `${room.home}/state` },
    cwd: room.home,
  });
  await again.firstLine();
  await Deno.writeTextFile(`${room.home}/back`, "");
  const { code, stdout, stderr } = await launched.result;
  assertEquals([code, stdout.includes("second 200")], [0, true], stdout + stderr);
  assertMatch(stderr, /used \$0.* 2 calls \(session sess_[0-9a-z]{26}, ended\)/);
  again.child.kill("SIGTERM");
  assertEquals((await again.result).code, 0);
});

Deno.test("synth codex --infer-only: the agent's key has the same limits, raises none, and ends", async () => {
  await using room = await openRoom(
    "codex",
    `
const raise = await post("/api/v1/sessions/" + session + "/limits/increase", {
  metric_type: "api_calls",
  increase_by: 5,
});
const open = await post("/api/v1/sessions", {});
const keys = await post("/api/v1/keys", {});
const first = await infer();
const without = await infer({ "x-no-session": "true" });
const over = await infer();
const outside = await infer({ "x-no-session": "true" });
console.log(JSON.stringify({
  key,
  refused: [raise, open, keys].map(({ status }) => status),
  answered: [first, without].map(({ status }) => status),
  over: [over, outside].map(({ status, body }) => [status, body.error?.code]),
}));
`,
  );
  const { process, url, key } = await room.up();
  const limits = ["--limit-api-calls", "2", "--limit-cost-usd", "1"];
  const { code, stdout, stderr } = await room.launch(["--infer-only", ...limits], url).result;
  assertEquals(code, 0, stdout + stderr);
  const seen = JSON.parse(stdout);
  assertEquals([seen.refused, seen.answered], [[403, 403, 403], [200, 200]], stdout);
  const codes = ["session_limit_exceeded", "session_limit_exceeded"];
  assertEquals(seen.over.map((one: unknown[]) => one[1]), codes, stdout);
  assert(seen.key !== key && !stderr.includes(seen.key));
  const client = new SynthClient({ baseUrl: url, apiKey: key });
  const made = (await client.keys.list()).find(({ name }) => name.startsWith("agent of sess_"));
  assertEquals([made?.status, made?.scopes], ["revoked", ["infer"]]);
  const gone = await fetch(`${url}/v1/models`, {
    headers: { authorization: `Bearer ${seen.key}` },
  });
  assertEquals(gone.status, 401);
  await gone.body?.cancel();

  const plain = await client.keys.create({ scopes: ["infer", "sessions"] });
  await Deno.writeTextFile(`${room.home}/state/api_key`, plain.key);
  const refused = await room.launch(["--infer-only"], url).result;
  assertEquals([refused.code, refused.stdout], [4, ""]);
  assertStringIncludes(refused.stderr, "The API key may not admin [insufficient_scope]");
  process.child.kill("SIGTERM");
  assertEquals((await process.result).code, 0);
});
