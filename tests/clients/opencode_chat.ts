/** opencode over Chat Completions and, with a model that thinks, over Responses: titles, tool loops, reasoning replayed. @module */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { call, delta, finish, role, stream, text, usage } from "../support/chat_replies.ts";
import { scriptedConfig, startGatewayProcess } from "../support/gateway_process.ts";
import { opencodeBinary } from "../support/install.ts";
import type { RawReply } from "../support/raw_http.ts";
import { isRecord, type Rec } from "../support/response_shape.ts";
import { type ProgramResult, runProgram } from "../support/run_program.ts";
import { type RecordedRequest, startUpstream } from "../support/scripted_upstream.ts";
import { type Exchange, startTap } from "../support/tap.ts";

interface Session extends ProgramResult {
  /** What came of the requests with tools. */
  readonly main: RecordedRequest[];
  readonly titles: RecordedRequest[];
  readonly exchanges: Exchange[];
  readonly problems: string[];
  readonly file: string | null;
}

/** Runs opencode once over this package; `turns` answers its main requests, in order. */
async function session(npm: string, prompt: string, turns: RawReply[]): Promise<Session> {
  const binary = await opencodeBinary();
  const left = [...turns];
  await using upstream = await startUpstream({
    reply: ({ body }) => body.tools === undefined ? say("A title") : left.shift(),
  });
  await using gateway = await startGatewayProcess({ config: scriptedConfig(upstream.baseUrl) });
  await using tap = startTap(gateway.origin);
  const home = await Deno.makeTempDir({ prefix: "synth-opencode-" });
  try {
    const work = `${home}/work`;
    await Deno.mkdir(work);
    await runProgram("git", { args: ["init", "-q"], cwd: work, env: { HOME: home } });
    await Deno.writeTextFile(`${work}/opencode.json`, JSON.stringify(settings(tap.origin, npm)));
    const result = await runProgram(binary, {
      args: ["run", "--pure", "--format", "json", "--print-logs", prompt],
      cwd: work,
      env: {
        HOME: home,
        SYNTH_API_KEY: gateway.apiKey,
        OPENCODE_DISABLE_AUTOUPDATE: "1",
        OPENCODE_DISABLE_MODELS_FETCH: "1",
        OPENCODE_DISABLE_LSP_DOWNLOAD: "1",
      },
    });
    return {
      ...result,
      main: upstream.requests.filter(({ body }) => body.tools !== undefined),
      titles: upstream.requests.filter(({ body }) => body.tools === undefined),
      exchanges: tap.exchanges,
      problems: await tap.problems(),
      file: await Deno.readTextFile(`${work}/out.txt`).catch(() => null),
    };
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

function settings(origin: string, npm: string): Rec {
  const model = {
    name: "small",
    tool_call: true,
    reasoning: true,
    limit: { context: 100_000, output: 8000 },
  };
  return {
    autoupdate: false,
    share: "disabled",
    provider: {
      synth: {
        npm,
        name: "synth",
        options: { baseURL: `${origin}/v1`, apiKey: "{env:SYNTH_API_KEY}" },
        models: { "synth-small": model },
      },
    },
    model: "synth/synth-small",
    permission: { bash: "allow", edit: "allow" },
  };
}

function say(...words: string[]): RawReply {
  return stream(role(), ...words.map(text), finish("stop"), usage());
}

const COMMAND = { command: "echo hi-from-shell > out.txt; cat out.txt", description: "write" };

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

function messages(request: RecordedRequest | undefined): Rec[] {
  const list = request?.body.messages;
  return Array.isArray(list) ? list.filter(isRecord) : [];
}

Deno.test("opencode over Chat: a title and a text turn, one request each", async () => {
  const result = await session("@ai-sdk/openai-compatible", "say hi", [say("All is ", "well.")]);
  assertEquals(result.code, 0, result.stdout + result.stderr);
  assertStringIncludes(result.stdout, "All is well.");
  assertEquals(result.main.length, 1);
  assert(result.titles.length <= 1);
  assert(
    result.exchanges.every((one) => one.path === "/v1/chat/completions" && one.status === 200),
  );
});

Deno.test("opencode over Chat: a tool call really runs, its output and the reasoning come back", async () => {
  const result = await session("@ai-sdk/openai-compatible", "write out.txt", [
    thinkAndCall(),
    say("The file is there."),
  ]);
  assertEquals(result.code, 0, result.stdout + result.stderr);
  assertEquals(result.file, "hi-from-shell\n");
  assertStringIncludes(result.stdout, "The file is there.");
  assertEquals(result.main.length, 2);
  const [assistant, tool] = messages(result.main[1]).slice(-2);
  assertEquals([assistant?.role, tool?.role, tool?.tool_call_id], ["assistant", "tool", "call_0"]);
  assertStringIncludes(String(tool?.content), "hi-from-shell");
  assertEquals(assistant?.reasoning_content, "I need the shell.");
});

Deno.test("opencode over Responses: the title is asked for without tools and answered", async () => {
  const result = await session("@ai-sdk/openai", "say hi", [say("All is well.")]);
  assertEquals(result.code, 0, result.stdout + result.stderr);
  assertEquals([result.main.length, result.titles.length], [1, 1]);
  assertEquals(result.titles[0]?.body.tool_choice, undefined);
  assertEquals(result.problems, []);
});

Deno.test("opencode over Responses: reasoning goes back as our seal and reaches the upstream as it was", async () => {
  const result = await session("@ai-sdk/openai", "write out.txt", [
    thinkAndCall(),
    say("The file is there."),
  ]);
  assertEquals(result.code, 0, result.stdout + result.stderr);
  assertEquals(result.file, "hi-from-shell\n");
  assertEquals(result.problems, []);
  const second = result.exchanges.map(({ body }) => JSON.parse(body) as { input: Rec[] })
    .find(({ input }) => input.some((item) => item.type === "function_call_output"));
  const reasoning = second?.input.find((item) => item.type === "reasoning");
  assertStringIncludes(String(reasoning?.encrypted_content), "gwr1.");
  assertEquals(result.main.length, 2);
  const [assistant, tool] = messages(result.main[1]).slice(-2);
  assertEquals(assistant?.reasoning_content, "I need the shell.");
  assertEquals([tool?.role, tool?.tool_call_id], ["tool", "call_0"]);
  assertStringIncludes(String(tool?.content), "hi-from-shell");
});
