/** The real opencode on a model that is served only over Chat Completions. @module */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { call, finish, role, stream, text, usage } from "../support/chat_replies.ts";
import { scriptedConfig, startGatewayProcess } from "../support/gateway_process.ts";
import { opencodeBinary } from "../support/install.ts";
import type { RawReply } from "../support/raw_http.ts";
import { isRecord, type Rec } from "../support/response_shape.ts";
import { type ProgramResult, runProgram } from "../support/run_program.ts";
import { type RecordedRequest, startUpstream } from "../support/scripted_upstream.ts";
import { startTap } from "../support/tap.ts";

interface Session extends ProgramResult {
  readonly upstream: RecordedRequest[];
  readonly posts: number;
  readonly problems: string[];
  readonly file: string | null;
}

/** Runs opencode once; `turns` answers its main requests, in order. It asks for a title beside them. */
async function session(prompt: string, turns: RawReply[]): Promise<Session> {
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
    await Deno.writeTextFile(`${work}/opencode.json`, JSON.stringify(settings(tap.origin)));
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
      upstream: upstream.requests,
      posts: tap.posts(),
      problems: await tap.problems(),
      file: await Deno.readTextFile(`${work}/out.txt`).catch(() => null),
    };
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

function settings(origin: string): Rec {
  return {
    autoupdate: false,
    share: "disabled",
    provider: {
      synth: {
        npm: "@ai-sdk/openai",
        name: "synth",
        options: { baseURL: `${origin}/v1`, apiKey: "{env:SYNTH_API_KEY}" },
        models: {
          "synth-small": {
            name: "small",
            tool_call: true,
            reasoning: true,
            limit: { context: 100_000, output: 8000 },
          },
        },
      },
    },
    model: "synth/synth-small",
    permission: { bash: "allow", edit: "allow" },
  };
}

function say(...words: string[]): RawReply {
  return stream(role(), ...words.map(text), finish("stop"), usage());
}

Deno.test("opencode over Responses: a text turn ends", async () => {
  const result = await session("say hi", [say("All is ", "well.")]);
  assertEquals(result.code, 0, result.stdout + result.stderr);
  assertStringIncludes(result.stdout, "All is well.");
  assertEquals(result.problems, []);
  assert(result.posts <= 2, `${result.posts} requests`);
});

Deno.test("opencode over Responses: a tool call really runs, its output comes back", async () => {
  const command = { command: "echo hi-from-shell > out.txt; cat out.txt", description: "write" };
  const result = await session("write out.txt", [
    stream(call(0, JSON.stringify(command), "call_0", "bash"), finish("tool_calls"), usage()),
    say("The file is there."),
  ]);
  assertEquals(result.code, 0, result.stdout + result.stderr);
  assertEquals(result.file, "hi-from-shell\n");
  assertStringIncludes(result.stdout, "The file is there.");
  assertEquals(result.problems, []);
  assert(result.posts <= 3, `${result.posts} requests`);
  const main = result.upstream.filter(({ body }) => body.tools !== undefined);
  assertEquals(main.length, 2);
  const messages = main[1]?.body.messages;
  const last = Array.isArray(messages) ? messages.at(-1) : undefined;
  assert(isRecord(last));
  assertEquals([last.role, last.tool_call_id], ["tool", "call_0"]);
  assertStringIncludes(String(last.content), "hi-from-shell");
});
