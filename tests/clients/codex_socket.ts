/** The real Codex CLI over a WebSocket: `supports_websockets = true`. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { call, finish, httpError, role, stream, text, usage } from "../support/chat_replies.ts";
import { codexHome } from "../support/codex.ts";
import { scriptedConfig, startGatewayProcess } from "../support/gateway_process.ts";
import type { RawReply } from "../support/raw_http.ts";
import type { Rec } from "../support/response_shape.ts";
import { startUpstream } from "../support/scripted_upstream.ts";
import { startSocketTap } from "../support/socket_tap.ts";

const SOCKETS = "supports_websockets = true";

async function parts(replies: RawReply[], gatewayConfig = ""): Promise<
  & AsyncDisposable
  & {
    upstream: Awaited<ReturnType<typeof startUpstream>>;
    gateway: Awaited<ReturnType<typeof startGatewayProcess>>;
    tap: ReturnType<typeof startSocketTap>;
    codex: Awaited<ReturnType<typeof codexHome>>;
  }
> {
  await using stack = new AsyncDisposableStack();
  const upstream = stack.use(await startUpstream());
  upstream.enqueue(...replies);
  const gateway = stack.use(
    await startGatewayProcess({ config: scriptedConfig(upstream.baseUrl, gatewayConfig) }),
  );
  const tap = stack.use(startSocketTap(gateway.origin));
  const codex = stack.use(
    await codexHome(tap.origin, gateway.apiKey, { providerConfig: SOCKETS }),
  );
  const owned = stack.move();
  return { upstream, gateway, tap, codex, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function say(...words: string[]): RawReply {
  return stream(role(), ...words.map(text), finish("stop"), usage());
}

function shell(id: string, cmd: string): RawReply {
  const args = JSON.stringify({ cmd });
  return stream(
    role(),
    call(0, "", id, "exec_command"),
    call(0, args.slice(0, 5)),
    call(0, args.slice(5)),
    finish("tool_calls"),
    usage(),
  );
}

function roles(body: Rec | undefined): unknown[] {
  return Array.isArray(body?.messages) ? body.messages.map((message: Rec) => message.role) : [];
}

Deno.test("codex socket: turns with tool calls share one connection, and send only what is new", async () => {
  await using p = await parts([
    shell("call_a", "echo one > one.txt; cat one.txt"),
    shell("call_b", "echo two > two.txt; cat two.txt"),
    say("Both files ", "are there."),
  ]);
  const result = await p.codex.exec("mock-unknown", "write two files");
  assertEquals(result.code, 0, result.stdout + result.stderr);
  assertEquals(result.messages.at(-1), "Both files are there.");
  assertEquals(await Deno.readTextFile(`${p.codex.work}/one.txt`), "one\n");
  assertEquals(await Deno.readTextFile(`${p.codex.work}/two.txt`), "two\n");
  assertEquals(p.tap.problems(), []);
  assertEquals(p.tap.sockets.length, 1);
  const { headers, sent } = p.tap.sockets[0]!;
  assertStringIncludes(headers.get("openai-beta") ?? "", "responses_websockets=");
  // Codex first sends all that it knows with generate: false, then only what came after.
  assertEquals(sent.map((event) => event.generate), [false, undefined, undefined, undefined]);
  assertEquals(sent.map((event) => "previous_response_id" in event), [false, true, true, true]);
  const [warmUp, first, second, third] = sent.map((event) => event.input);
  assert(Array.isArray(warmUp) && warmUp.length > 0 && Array.isArray(first));
  for (const [input, id] of [[second, "call_a"], [third, "call_b"]] as const) {
    assert(Array.isArray(input) && input.length === 1 && input[0].call_id === id);
  }
  // The upstream is told all of it.
  const history = p.upstream.requests.map(({ body }) => roles(body));
  assertEquals(history[1], [...history[0]!, "assistant", "tool"]);
  assertEquals(history[2], [...history[1]!, "assistant", "tool"]);
  assertEquals(p.tap.answers, []);
});

Deno.test("codex socket: where WebSockets are off it goes on over HTTP at once", async () => {
  await using p = await parts([say("All is well.")], "websockets_per_key = 0");
  const result = await p.codex.exec("mock-unknown", "say hi");
  assertEquals(result.code, 0, result.stdout + result.stderr);
  assertEquals(result.messages, ["All is well."]);
  assertEquals(p.tap.answers, ["GET 426", "POST 200"]);
});

Deno.test("codex socket: a 400 of the upstream is told once", async () => {
  await using p = await parts([httpError(400, "the prompt smells", "bad_prompt")]);
  const result = await p.codex.exec("mock-unknown", "say hi");
  assertEquals(result.code, 1);
  assertStringIncludes(result.error ?? "", "the prompt smells");
  assertEquals(p.upstream.requests.length, 1);
});
