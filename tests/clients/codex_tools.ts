/** The tools of the real Codex CLI, model family by model family, and what becomes of its history. @module */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { call, finish, role, say, stream, usage } from "../support/chat_replies.ts";
import { type Answers, messagesOf } from "../support/client_room.ts";
import type { CodexSettings } from "../support/codex.ts";
import { type CodexRoom, openCodexRoom } from "../support/codex_room.ts";
import { scriptedConfig } from "../support/gateway_process.ts";
import type { RawReply } from "../support/raw_http.ts";
import type { Rec } from "../support/response_shape.ts";
import type { RecordedRequest } from "../support/scripted_upstream.ts";
import type { Tap } from "../support/tap.ts";

/** A PNG of one pixel. */
const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/** Answers from a gateway that knows models of Codex's own families. */
function open(answers: Answers, settings: CodexSettings = {}): Promise<CodexRoom> {
  const gateway = (baseUrl: string): string =>
    `${scriptedConfig(baseUrl)}
[models."gpt-*"]
upstream = "scripted"
price = "free"
bounds = { image_tokens = 2000 }
`;
  return openCodexRoom(answers, { ...settings, gateway });
}

/** One call, its arguments in pieces. */
function use(name: string, args: unknown): RawReply {
  const json = JSON.stringify(args);
  const half = Math.ceil(json.length / 2);
  return stream(
    role(),
    call(0, "", "call_0", name),
    call(0, json.slice(0, half)),
    call(0, json.slice(half)),
    finish("tool_calls"),
    usage(),
  );
}

function toolNames(request: RecordedRequest | undefined): string[] {
  const list = request?.body.tools;
  return Array.isArray(list) ? list.map((tool) => String(tool?.function?.name)) : [];
}

/** Types of the items that Codex sent, request by request. */
function sentTypes(tap: Tap, n: number): string[] {
  const input = (JSON.parse(tap.exchanges[n]?.body ?? "{}") as { input?: Rec[] }).input ?? [];
  return input.map((item) => String(item.type ?? "message"));
}

Deno.test("codex gpt-5.5: apply_patch, a freeform tool, makes a file", async () => {
  const patch = '*** Begin Patch\n*** Add File: made.txt\n+one é\n+two "q"\n*** End Patch\n';
  await using p = await open([use("apply_patch", { input: patch }), say("Made it.")]);
  const result = await p.codex.exec("gpt-5.5", "make made.txt");
  assertEquals(result.code, 0, result.stdout + result.stderr);
  assertEquals(await Deno.readTextFile(`${p.codex.work}/made.txt`), 'one é\ntwo "q"\n');
  assertEquals(result.messages.at(-1), "Made it.");
  assertEquals(await p.tap.problems(), []);
  assertEquals(sentTypes(p.tap, 1).slice(-2), ["custom_tool_call", "custom_tool_call_output"]);
  const history = messagesOf(p.upstream.requests[1]);
  assertEquals(history.at(-1)?.tool_call_id, "call_0");
  assertStringIncludes(
    JSON.stringify(history.at(-2)),
    JSON.stringify(JSON.stringify(patch)).slice(3, -3),
  );
});

Deno.test("codex gpt-5.5: tool_search brings the sub-agents, one is spawned and waited for", async () => {
  await using p = await open((request) => {
    const said = JSON.stringify(messagesOf(request));
    if (said.includes("count the stars") && !said.includes("have it counted")) return say("Seven.");
    const results = messagesOf(request).filter((message) => message.role === "tool");
    const last = String(results.at(-1)?.content ?? "");
    if (results.length === 0) return use("tool_search", { query: "spawn agent" });
    if (results.length === 1) {
      return use("multi_agent_v1__spawn_agent", { message: "count the stars" });
    }
    const id = /"agent_id":\s*"([^"]+)"/.exec(last)?.[1] ??
      /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(last)?.[0];
    if (results.length === 2) return use("multi_agent_v1__wait_agent", { targets: [id] });
    return say(`It says: ${last}`);
  });
  const result = await p.codex.exec("gpt-5.5", "have it counted");
  assertEquals(result.code, 0, result.stdout + result.stderr);
  assertStringIncludes(result.messages.at(-1) ?? "", "Seven.");
  assertEquals(await p.tap.problems(), []);
  const first = p.upstream.requests[0];
  assert(toolNames(first).includes("tool_search"));
  assert(!toolNames(first).some((name) => name.startsWith("multi_agent_v1__")), "held back");
  assert(toolNames(p.upstream.requests[1]).includes("multi_agent_v1__spawn_agent"));
  assertEquals(sentTypes(p.tap, 1).slice(-2), ["tool_search_call", "tool_search_output"]);
});

Deno.test("codex gpt-6.1-sol: tools come with the input, custom exec runs", async () => {
  const code =
    'const r = await tools.exec_command({ cmd: "echo deep > deep.txt; cat deep.txt" });\ntext(r.output);';
  await using p = await open([use("exec", { input: code }), say("Ran it.")]);
  const result = await p.codex.exec("gpt-6.1-sol", "run it");
  assertEquals(result.code, 0, result.stdout + result.stderr);
  assertEquals(await Deno.readTextFile(`${p.codex.work}/deep.txt`), "deep\n");
  assertEquals(result.messages.at(-1), "Ran it.");
  assertEquals(await p.tap.problems(), []);
  assertEquals(sentTypes(p.tap, 0)[0], "additional_tools");
  assert(toolNames(p.upstream.requests[0]).includes("exec"));
  assertStringIncludes(JSON.stringify(messagesOf(p.upstream.requests[1]).at(-1)), "deep");
});

Deno.test("codex: view_image sends the image upstream", async () => {
  await using p = await open([use("view_image", { path: "dot.png" }), say("A dot.")]);
  const bytes = Uint8Array.from(atob(PIXEL), (char) => char.charCodeAt(0));
  await Deno.writeFile(`${p.codex.work}/dot.png`, bytes);
  const result = await p.codex.exec("mock-unknown", "what is in dot.png?");
  assertEquals(result.code, 0, result.stdout + result.stderr);
  assertEquals(result.messages.at(-1), "A dot.");
  assertEquals(await p.tap.problems(), []);
  const [tool, user] = messagesOf(p.upstream.requests[1]).slice(-2);
  assertEquals([tool?.role, tool?.tool_call_id, user?.role], ["tool", "call_0", "user"]);
  assertStringIncludes(JSON.stringify(user?.content), '"image_url":{"url":"data:image/png;base64,');
});

Deno.test("codex: an image on the command line goes upstream with the prompt", async () => {
  await using p = await open([say("A dot.")]);
  const bytes = Uint8Array.from(atob(PIXEL), (char) => char.charCodeAt(0));
  await Deno.writeFile(`${p.codex.work}/dot.png`, bytes);
  const result = await p.codex.exec("mock-unknown", "what is it?", ["-i", "dot.png", "--"]);
  assertEquals(result.code, 0, result.stdout + result.stderr);
  assertStringIncludes(JSON.stringify(p.upstream.requests[0]?.body), "data:image/png;base64,");
});

Deno.test("codex: a namespaced tool is found again by its namespace", async () => {
  await using p = await open([
    use("multi_agent_v1__close_agent", { target: "00000000-0000-0000-0000-000000000000" }),
    say("None was open."),
  ]);
  const result = await p.codex.exec("mock-unknown", "close it");
  assertEquals(result.code, 0, result.stdout + result.stderr);
  assertEquals(await p.tap.problems(), []);
  const [assistant, tool] = messagesOf(p.upstream.requests[1]).slice(-2);
  assertStringIncludes(JSON.stringify(assistant?.tool_calls), '"multi_agent_v1__close_agent"');
  assert(!String(tool?.content).includes("unsupported call"), String(tool?.content));
});

Deno.test("codex: a tool that does not exist is told to the model, which goes on", async () => {
  await using p = await open([use("no_such_tool", { a: 1 }), say("Then without it.")]);
  const result = await p.codex.exec("mock-unknown", "go");
  assertEquals(result.code, 0, result.stdout + result.stderr);
  assertEquals(result.messages.at(-1), "Then without it.");
  assertEquals(await p.tap.problems(), []);
  const [assistant, tool] = messagesOf(p.upstream.requests[1]).slice(-2);
  assertStringIncludes(JSON.stringify(assistant?.tool_calls), '"no_such_tool"');
  assertStringIncludes(String(tool?.content), "unsupported call");
});

Deno.test("codex: a resumed session brings its history, calls with their outputs", async () => {
  await using p = await open([
    use("exec_command", { cmd: "echo once" }),
    say("It said once."),
    say("As I said."),
  ]);
  const first = await p.codex.exec("mock-unknown", "say once");
  assertEquals(first.code, 0, first.stdout + first.stderr);
  const second = await p.codex.exec("mock-unknown", "and again", ["resume", "--last"]);
  assertEquals(second.code, 0, second.stdout + second.stderr);
  assertEquals(second.messages.at(-1), "As I said.");
  assertEquals(await p.tap.problems(), []);
  const history = messagesOf(p.upstream.requests[2]);
  const tail = history.slice(-5).map((message) => message.role);
  assertEquals(tail, ["user", "assistant", "tool", "assistant", "user"]);
  assertStringIncludes(JSON.stringify(history.at(-1)), "and again");
});

Deno.test("codex: a long history is compacted by Codex itself where the provider is unknown", async () => {
  const few = { config: "model_auto_compact_token_limit = 20000" };
  await using p = await open([
    stream(
      call(0, '{"cmd":"echo one"}', "call_0", "exec_command"),
      finish("tool_calls"),
      usage(30_000),
    ),
    say("SUMMARY: one was said."),
    say("Going on."),
  ], few);
  const result = await p.codex.exec("mock-unknown", "say one");
  assertEquals(result.code, 0, result.stdout + result.stderr);
  assertEquals(result.messages.at(-1), "Going on.");
  assertEquals(p.tap.posts(), 3);
  assertEquals(await p.tap.problems(), []);
  assertStringIncludes(
    JSON.stringify(messagesOf(p.upstream.requests[2])),
    "SUMMARY: one was said.",
  );
});

Deno.test("codex: a provider called OpenAI gets one sealed compaction, and its words come back upstream", async () => {
  const settings = {
    provider: "OpenAI",
    config: "model_auto_compact_token_limit = 20000",
  };
  await using p = await open([
    stream(
      call(0, '{"cmd":"echo one"}', "call_0", "exec_command"),
      finish("tool_calls"),
      usage(30_000),
    ),
    say("SUMMARY: one was said."),
    say("Going on."),
  ], settings);
  const result = await p.codex.exec("mock-unknown", "say one");
  assertEquals(result.code, 0, result.stdout + result.stderr);
  assertEquals(result.messages.at(-1), "Going on.");
  assertEquals(p.tap.posts(), 3);
  assertEquals(await p.tap.problems(), []);
  assertEquals(sentTypes(p.tap, 1).at(-1), "compaction_trigger");
  assertEquals(p.upstream.requests[1]?.body.tools, undefined);
  const answer = await p.tap.exchanges[1]?.answer;
  assert(!answer?.includes("SUMMARY"), "the summary is sealed");
  assert(sentTypes(p.tap, 2).includes("compaction"));
  assert(!p.tap.exchanges[2]?.body.includes("SUMMARY"));
  assertStringIncludes(
    JSON.stringify(messagesOf(p.upstream.requests[2])),
    "SUMMARY: one was said.",
  );
});
