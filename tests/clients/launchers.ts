/** `synth codex` and `synth opencode` with the real agents. @module */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { SessionObject } from "@synth/core/api";
import {
  call,
  finish,
  frame,
  gate,
  role,
  sse,
  stream,
  text,
  usage,
} from "../support/chat_replies.ts";
import { type LaunchRoom, openLaunchRoom } from "../support/launch_room.ts";
import type { RawReply } from "../support/raw_http.ts";
import type { RecordedRequest } from "../support/scripted_upstream.ts";

interface Case {
  readonly agent: "codex" | "opencode";
  /** Arguments for one turn without a terminal. */
  readonly turn: readonly string[];
  /** The tool that runs a shell command, and its argument. */
  readonly tool: readonly [string, string];
}

const CASES: readonly Case[] = [
  {
    agent: "codex",
    turn: ["exec", "--skip-git-repo-check", "--json"],
    tool: ["exec_command", "cmd"],
  },
  { agent: "opencode", turn: ["run", "--pure", "--format", "json"], tool: ["bash", "command"] },
];

/** Input and output tokens of every scripted answer. */
const INPUT = 1000;
const OUTPUT = 100;

function say(words: string): RawReply {
  return stream(role(), text(words), finish("stop"), usage(INPUT, OUTPUT, 0, 0));
}

function shell({ tool: [name, argument] }: Case, command: string, n = 0): RawReply {
  const args = JSON.stringify({ [argument]: command, description: "run it" });
  return stream(
    call(0, args, `call_${n}`, name),
    finish("tool_calls"),
    usage(INPUT, OUTPUT, 0, 0),
  );
}

/** opencode asks for a title beside its turns. */
function isTitle({ body }: RecordedRequest): boolean {
  return body.tools === undefined;
}

/** The only session of an agent, after it is known to exist. */
async function theSession(room: LaunchRoom): Promise<SessionObject> {
  const [session, ...more] = await room.client.sessions.list();
  assert(session !== undefined && more.length === 0, "one session");
  return session;
}

/** Nothing reserved, nothing beyond what was reserved, and the sum of the journal. */
async function assertBooks(room: LaunchRoom, session: SessionObject): Promise<void> {
  for (const limit of session.limits) assertEquals([limit.held, limit.overrun], [0, 0]);
  const journal = await room.client.sessions.usage(session.session_id, { limit: 1000 });
  const tokens = journal.reduce((sum, { amounts }) => sum + amounts.tokens, 0);
  const calls = journal.reduce((sum, { amounts }) => sum + amounts.api_calls, 0);
  const nano = journal.reduce((sum, { amounts }) => sum + Math.round(amounts.cost_usd * 1e9), 0);
  const { current_usage: used } = session;
  assertEquals([tokens, calls, nano], [
    used.tokens,
    used.api_calls,
    Math.round(used.cost_usd * 1e9),
  ]);
}

/** Asks until the session is as wanted; a deadline makes a wrong one fail. */
async function until(
  room: LaunchRoom,
  id: string,
  wanted: (session: SessionObject) => boolean,
): Promise<SessionObject> {
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline) {
    const session = await room.client.sessions.get(id);
    if (wanted(session)) return session;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the session never came to be as wanted");
}

for (const one of CASES) {
  const { agent, turn } = one;

  Deno.test(`synth ${agent}: a whole session is counted on one session, which ends`, async () => {
    let step = 0;
    await using room = await openLaunchRoom({
      reply: (request) => {
        if (isTitle(request)) return say("A title");
        return step++ === 0 ? shell(one, "echo hi-from-shell > out.txt") : say("All is well.");
      },
    });
    const result = await room.launch(
      agent,
      "--limit-cost-usd",
      "1",
      "--model",
      "synth-small",
      "--",
      ...turn,
      "write out.txt",
    ).result;
    assertEquals(result.code, 0, result.stdout + result.stderr);
    assertStringIncludes(result.stdout, "All is well.");
    assertEquals(await Deno.readTextFile(`${room.work}/out.txt`), "hi-from-shell\n");
    assert(!result.stdout.includes("Model metadata"), "the catalogue names the model");
    assertEquals(await room.tap.problems(), []);
    const session = await theSession(room);
    assertEquals([session.status, session.is_active], ["ended", false]);
    assertEquals(session.session_type, `${agent}_agent`);
    assertEquals(session.limits.map(({ limit_value }) => limit_value), [1]);
    const requests = room.upstream.requests.length;
    assertEquals(room.turns(), requests);
    assertEquals(session.current_usage.api_calls, requests);
    assertEquals(session.current_usage.tokens, requests * (INPUT + OUTPUT));
    // 1000 * 0.075 + 100 * 0.30 USD per million
    assertEquals(Math.round(session.current_usage.cost_usd * 1e9), requests * 105_000);
    await assertBooks(room, session);
    const turns = room.tap.exchanges.filter(({ path }) => path === "/v1/responses");
    for (const { headers } of turns) {
      assertEquals(headers.get("x-synth-session-id"), session.session_id);
    }
    assertMatch(result.stderr, /used \$0\.000\d+ of \$1\.00, [\d,]+ tokens, \d calls/);
    assertEquals(await room.changedFiles(), []);
  });

  Deno.test(`synth ${agent}: the agent stops when the budget runs out in mid-session`, async () => {
    let step = 0;
    await using room = await openLaunchRoom({
      reply: (request) => isTitle(request) ? say("A title") : shell(one, "true", step++),
    });
    await Deno.writeTextFile(
      `${room.work}/${agent}.toml`,
      "[session]\nlimit_cost_usd = 1\nlimit_api_calls = 4\n",
    );
    const result = await room.launch(agent, "--model", "synth-small", "--", ...turn, "go on")
      .result;
    assertEquals(result.code, 1, result.stdout + result.stderr);
    assertStringIncludes(result.stdout + result.stderr, "api_calls limit is used up");
    assertEquals(room.upstream.requests.length, 4);
    // One request was refused, and the agent did not try again.
    assertEquals(room.turns(), 5);
    const session = await theSession(room);
    assertEquals([session.status, session.current_usage.api_calls], ["ended", 4]);
    await assertBooks(room, session);
    assertStringIncludes(result.stderr, "its API calls limit of 4 is used up");
    assertEquals(await room.changedFiles(), []);
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.test(`synth ${agent}: ${signal} reaches the agent, and the session ends`, async () => {
      const held = gate();
      await using room = await openLaunchRoom({
        reply: (request) =>
          isTitle(request)
            ? say("A title")
            : sse([frame(role()), frame(text("thinking")), { wait: held.promise }]),
      });
      await using launched = room.launch(
        agent,
        "--url",
        room.gateway,
        "--model",
        "synth-small",
        "--",
        ...turn,
        "think",
      );
      const main = await mainRequest(room);
      launched.child.kill(signal);
      const result = await launched.result;
      assert(result.code !== 0, result.stdout + result.stderr);
      await main.closed;
      held.open();
      const { session_id: id } = await theSession(room);
      const session = await until(room, id, ({ limits }) => limits.every(({ held }) => held === 0));
      assertEquals(session.status, "ended");
      await assertBooks(room, session);
      assertStringIncludes(result.stderr, "(session sess_");
      assertEquals(await room.changedFiles(), []);
    });
  }

  Deno.test(`synth ${agent}: behind a launcher that was killed the session expires`, async () => {
    const held = gate();
    await using room = await openLaunchRoom({
      reply: (request) =>
        isTitle(request)
          ? say("A title")
          : sse([frame(role()), frame(text("thinking")), { wait: held.promise }]),
    });
    await using launched = room.launch(
      agent,
      "--idle",
      "2s",
      "--url",
      room.gateway,
      "--model",
      "synth-small",
      "--",
      ...turn,
      "think",
    );
    const main = await mainRequest(room);
    const { session_id: id, idle_seconds } = await theSession(room);
    assertEquals(idle_seconds, 2);
    const orphan = await childOf(launched.child.pid);
    launched.child.kill("SIGKILL");
    await until(room, id, ({ status }) => status === "expired");
    Deno.kill(orphan, "SIGKILL");
    await launched.result;
    await main.closed;
    held.open();
    const session = await until(room, id, ({ limits }) => limits.every(({ held }) => held === 0));
    assertEquals(session.status, "expired");
    await assertBooks(room, session);
    assertEquals(await room.changedFiles(), []);
  });

  Deno.test(`synth ${agent}: two at once have a session each`, async () => {
    // No turn is answered before both agents have asked.
    const both = gate();
    let asked = 0;
    await using room = await openLaunchRoom({
      reply: (request) => {
        if (isTitle(request)) return say("A title");
        if (++asked === 2) both.open();
        return sse([{ wait: both.promise }, ...say("All is well.").steps]);
      },
    });
    const start = (usd: string) =>
      room.launch(agent, "--limit-cost-usd", usd, "--model", "synth-small", "--", ...turn, "hi")
        .result;
    const first = start("1");
    // opencode's own database cannot be made by two at once.
    await mainRequest(room);
    const results = await Promise.all([first, start("2")]);
    for (const result of results) assertEquals(result.code, 0, result.stdout + result.stderr);
    const sessions = await room.client.sessions.list();
    assertEquals(sessions.map(({ limits }) => limits[0]?.limit_value).sort(), [1, 2]);
    const calls = sessions.reduce((sum, { current_usage }) => sum + current_usage.api_calls, 0);
    assertEquals(calls, room.upstream.requests.length);
    for (const session of sessions) {
      assertEquals(session.status, "ended");
      assert(session.current_usage.api_calls > 0);
      await assertBooks(room, session);
    }
  });

  Deno.test(`synth ${agent}: a reused session goes on afterwards`, async () => {
    await using room = await openLaunchRoom({ reply: () => say("All is well.") });
    const { session_id: id } = await room.client.sessions.create({ make_active: false });
    const args = ["--reuse-session", id, "--model", "synth-small", "--", ...turn, "hi"];
    const result = await room.launch(agent, ...args).result;
    assertEquals(result.code, 0, result.stdout + result.stderr);
    const session = await theSession(room);
    assertEquals([session.session_id, session.status], [id, "active"]);
    assertEquals(session.current_usage.api_calls, room.upstream.requests.length);
  });

  Deno.test(`synth ${agent}: without a gateway nothing is started, exit code 69`, async () => {
    await using room = await openLaunchRoom();
    await room.stopGateway();

    const result = await room.launch(agent, "--url", "http://127.0.0.1:9", "--", ...turn, "hi")
      .result;
    assertEquals([result.code, result.stdout], [69, ""]);
    assertStringIncludes(result.stderr, "[gateway_unreachable]");
  });
}

/** The first request that is not for a title. */
async function mainRequest(room: LaunchRoom): Promise<RecordedRequest> {
  for (let n = 0;; n++) {
    const request = await room.upstream.request(n);
    if (!isTitle(request)) return request;
  }
}

/** The process that a launcher has started, as Linux tells it. */
async function childOf(pid: number): Promise<number> {
  for await (const task of Deno.readDir(`/proc/${pid}/task`)) {
    const children = await Deno.readTextFile(`/proc/${pid}/task/${task.name}/children`);
    const child = Number(children.trim().split(" ").at(-1));
    if (child > 0) return child;
  }
  throw new Error("it has no child");
}
