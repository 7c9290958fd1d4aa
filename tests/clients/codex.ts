/** The real Codex CLI on a model that is served only over Chat Completions. @module */
import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  call,
  finish,
  frame,
  httpError,
  role,
  say,
  sse,
  stream,
  text,
  usage,
} from "../support/chat_replies.ts";
import { messagesOf } from "../support/client_room.ts";
import { openCodexRoom } from "../support/codex_room.ts";
import type { RawReply } from "../support/raw_http.ts";

/** A model that Codex has no metadata for, and one of the names that `synth config init` writes. */
const MODELS = ["mock-unknown", "synth-small"];

function shell(...commands: string[]): RawReply {
  const calls = commands.flatMap((cmd, n) => {
    const args = JSON.stringify({ cmd });
    return [
      call(n, "", `call_${n}`, "exec_command"),
      call(n, args.slice(0, 5)),
      call(n, args.slice(5)),
    ];
  });
  return stream(role(), ...calls, finish("tool_calls"), usage());
}

for (const model of MODELS) {
  Deno.test(`codex ${model}: a text turn is one request`, async () => {
    await using p = await openCodexRoom([say("All is ", "well.")]);
    const result = await p.codex.exec(model, "say hi");
    assertEquals(result.code, 0, result.stdout + result.stderr);
    assertEquals(result.messages, ["All is well."]);
    assertEquals(p.tap.posts(), 1);
    assertEquals(await p.tap.problems(), []);
    const sent = p.upstream.requests[0]?.body;
    assertEquals(sent?.model, model === "synth-small" ? "scripted/small-20b" : model);
    assertEquals(messagesOf(p.upstream.requests[0])[0]?.role, "system");
    assertEquals(messagesOf(p.upstream.requests[0]).filter((m) => m.role === "system").length, 1);
  });

  Deno.test(`codex ${model}: a tool call really runs, its output comes back`, async () => {
    await using p = await openCodexRoom([
      shell("echo hi-from-shell > out.txt; cat out.txt"),
      say("The file is there."),
    ]);
    const result = await p.codex.exec(model, "write out.txt");
    assertEquals(result.code, 0, result.stdout + result.stderr);
    assertEquals(await Deno.readTextFile(`${p.codex.work}/out.txt`), "hi-from-shell\n");
    assertEquals(result.messages.at(-1), "The file is there.");
    assertEquals(p.tap.posts(), 2);
    assertEquals(await p.tap.problems(), []);
    const tool = messagesOf(p.upstream.requests[1]).at(-1);
    assertEquals(tool?.role, "tool");
    assertEquals(tool?.tool_call_id, "call_0");
    assertStringIncludes(JSON.stringify(tool?.content), "hi-from-shell");
  });

  Deno.test(`codex ${model}: parallel calls all run and share one assistant message`, async () => {
    await using p = await openCodexRoom([shell("echo a > a.txt", "echo b > b.txt"), say("Both.")]);
    const result = await p.codex.exec(model, "write both");
    assertEquals(result.code, 0, result.stdout + result.stderr);
    assertEquals(await Deno.readTextFile(`${p.codex.work}/a.txt`), "a\n");
    assertEquals(await Deno.readTextFile(`${p.codex.work}/b.txt`), "b\n");
    assertEquals(p.tap.posts(), 2);
    assertEquals(await p.tap.problems(), []);
    const history = messagesOf(p.upstream.requests[1]);
    assertEquals(history.slice(-3).map((m) => m.role), ["assistant", "tool", "tool"]);
    assertEquals(history.slice(-2).map((m) => m.tool_call_id), ["call_0", "call_1"]);
  });

  Deno.test(`codex ${model}: a 400 of the upstream is told once`, async () => {
    await using p = await openCodexRoom([httpError(400, "the prompt smells", "bad_prompt")]);
    const result = await p.codex.exec(model, "say hi");
    assertEquals(result.code, 1);
    assertStringIncludes(result.error ?? "", "the prompt smells");
    assertEquals(p.tap.posts(), 1);
    assertEquals(p.tap.exchanges[0]?.status, 400);
  });

  Deno.test(`codex ${model}: a stream cut by the upstream is tried again and recovers`, async () => {
    const cut = sse([frame(role()), frame(text("half a sen")), { fault: "cut" }]);
    await using p = await openCodexRoom([cut, say("Recovered.")]);
    const result = await p.codex.exec(model, "say hi");
    assertEquals(result.code, 0, result.stdout + result.stderr);
    assertEquals(result.messages.at(-1), "Recovered.");
    assertEquals(p.tap.posts(), 2);
    assertEquals(await p.tap.problems(), []);
  });
}

Deno.test("codex: an upstream that always cuts the stream costs six requests", async () => {
  const cut = sse([frame(text("half")), { fault: "cut" }]);
  await using p = await openCodexRoom(Array.from({ length: 6 }, () => cut));
  const result = await p.codex.exec("mock-unknown", "say hi");
  assertEquals(result.code, 1);
  assertEquals(p.tap.posts(), 6);
  assertEquals(await p.tap.problems(), []);
});

Deno.test("codex: a call cut in the middle is not run", async () => {
  const args = JSON.stringify({ cmd: "echo no > no.txt" });
  const cut = sse([
    frame(call(0, args.slice(0, 12), "call_0", "exec_command")),
    { fault: "cut" },
  ]);
  await using p = await openCodexRoom([cut, say("Recovered.")]);
  const result = await p.codex.exec("mock-unknown", "say hi");
  assertEquals(result.code, 0, result.stdout + result.stderr);
  assertEquals(await Array.fromAsync(Deno.readDir(p.codex.work)), []);
  assertEquals(await p.tap.problems(), []);
});

Deno.test("codex: an upstream's exhausted quota ends the turn at once", async () => {
  await using p = await openCodexRoom([httpError(402, "Insufficient credit")]);
  const result = await p.codex.exec("mock-unknown", "say hi");
  assertEquals(result.code, 1);
  assertStringIncludes(result.error ?? "", "Quota exceeded");
  assertEquals(p.tap.posts(), 1);
});

Deno.test("codex: a context overflow is told as one", async () => {
  const reply = httpError(400, "This model's maximum context length is 8192 tokens");
  await using p = await openCodexRoom([reply]);
  const result = await p.codex.exec("mock-unknown", "say hi");
  assertEquals(result.code, 1);
  assertStringIncludes(result.error ?? "", "context window");
  assertEquals(p.tap.posts(), 1);
});
