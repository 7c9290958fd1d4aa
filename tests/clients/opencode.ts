/** The real opencode over the Responses API and over Chat Completions, on a model that is served only over the latter. @module */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { call, delta, finish, role, say, stream, usage } from "../support/chat_replies.ts";
import { messagesOf, openClientRoom } from "../support/client_room.ts";
import { opencodeHome, type OpencodePackage } from "../support/opencode.ts";
import type { RawReply } from "../support/raw_http.ts";
import type { Rec } from "../support/response_shape.ts";
import type { ProgramResult } from "../support/run_program.ts";
import type { RecordedRequest } from "../support/scripted_upstream.ts";
import type { Exchange } from "../support/tap.ts";

const RESPONSES = "@ai-sdk/openai";
const CHAT = "@ai-sdk/openai-compatible";
const COMMAND = { command: "echo hi-from-shell > out.txt; cat out.txt", description: "write" };

interface Session extends ProgramResult {
  /** What came of the requests with tools. */
  readonly main: readonly RecordedRequest[];
  /** It asks for a title beside its first turn. */
  readonly titles: readonly RecordedRequest[];
  readonly exchanges: readonly Exchange[];
  readonly posts: number;
  readonly problems: readonly string[];
  readonly file: string | null;
}

/** Runs opencode once over this package; `turns` answers its main requests, in order. */
async function session(
  npm: OpencodePackage,
  prompt: string,
  turns: readonly RawReply[],
): Promise<Session> {
  const left = [...turns];
  await using room = await openClientRoom(({ body }) => {
    return body.tools === undefined ? say("A title") : left.shift();
  });
  const { upstream: { requests }, tap } = room;
  await using opencode = await opencodeHome(tap.origin, room.gateway.apiKey, { npm });
  const result = await opencode.run(prompt);
  return {
    ...result,
    main: requests.filter(({ body }) => body.tools !== undefined),
    titles: requests.filter(({ body }) => body.tools === undefined),
    exchanges: tap.exchanges,
    posts: tap.posts(),
    problems: await tap.problems(),
    file: await opencode.read("out.txt"),
  };
}

/** Thinks, then calls the shell. */
function thinkAndCall(): RawReply {
  return stream(
    role(),
    delta({ reasoning_content: "I need " }),
    delta({ reasoning_content: "the shell." }),
    call(0, JSON.stringify(COMMAND), "call_0", "bash"),
    finish("tool_calls"),
    usage(),
  );
}

Deno.test("opencode over Responses: a text turn ends, its title is asked for without tools", async () => {
  const result = await session(RESPONSES, "say hi", [say("All is ", "well.")]);
  assertEquals(result.code, 0, result.stdout + result.stderr);
  assertStringIncludes(result.stdout, "All is well.");
  assertEquals(result.problems, []);
  assertEquals([result.main.length, result.titles.length, result.posts], [1, 1, 2]);
  assertEquals(result.titles[0]?.body.tool_choice, undefined);
});

Deno.test("opencode over Responses: a tool call really runs; its output comes back, reasoning as our seal", async () => {
  const result = await session(RESPONSES, "write out.txt", [
    thinkAndCall(),
    say("The file is there."),
  ]);
  assertEquals(result.code, 0, result.stdout + result.stderr);
  assertEquals(result.file, "hi-from-shell\n");
  assertStringIncludes(result.stdout, "The file is there.");
  assertEquals(result.problems, []);
  assert(result.posts <= 3, `${result.posts} requests`);
  const second = result.exchanges.map(({ body }) => JSON.parse(body) as { input: Rec[] })
    .find(({ input }) => input.some((item) => item.type === "function_call_output"));
  const reasoning = second?.input.find((item) => item.type === "reasoning");
  assertStringIncludes(String(reasoning?.encrypted_content), "gwr1.");
  assertEquals(result.main.length, 2);
  const [assistant, tool] = messagesOf(result.main[1]).slice(-2);
  assertEquals(assistant?.reasoning_content, "I need the shell.");
  assertEquals([tool?.role, tool?.tool_call_id], ["tool", "call_0"]);
  assertStringIncludes(String(tool?.content), "hi-from-shell");
});

Deno.test("opencode over Chat: a title and a text turn, one request each", async () => {
  const result = await session(CHAT, "say hi", [say("All is ", "well.")]);
  assertEquals(result.code, 0, result.stdout + result.stderr);
  assertStringIncludes(result.stdout, "All is well.");
  assertEquals(result.main.length, 1);
  assert(result.titles.length <= 1);
  assert(
    result.exchanges.every((one) => one.path === "/v1/chat/completions" && one.status === 200),
  );
});

Deno.test("opencode over Chat: a tool call really runs, its output and the reasoning come back", async () => {
  const result = await session(CHAT, "write out.txt", [thinkAndCall(), say("The file is there.")]);
  assertEquals(result.code, 0, result.stdout + result.stderr);
  assertEquals(result.file, "hi-from-shell\n");
  assertStringIncludes(result.stdout, "The file is there.");
  assertEquals(result.main.length, 2);
  const [assistant, tool] = messagesOf(result.main[1]).slice(-2);
  assertEquals([assistant?.role, tool?.role, tool?.tool_call_id], ["assistant", "tool", "call_0"]);
  assertStringIncludes(String(tool?.content), "hi-from-shell");
  assertEquals(assistant?.reasoning_content, "I need the shell.");
});
