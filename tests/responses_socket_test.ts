/** The Responses API over real WebSockets: turns, continuation, refusals, ends. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { documentMigrations, SqliteDocumentStore } from "@synth/core/storage";
import { openSqlite } from "@synth/core/storage/sqlite";
import { createSealer, generateSealKey, parseSealKeys } from "@synth/gateway";
import { serveGateway } from "@synth/gateway/deno";
import {
  call,
  delta,
  finish,
  frame,
  role,
  sse,
  stream,
  text,
  usage,
} from "./support/chat_replies.ts";
import { sendRaw } from "./support/raw_client.ts";
import type { Rec } from "./support/response_shape.ts";
import {
  eventsOfResponse,
  message,
  reasoning,
  responsesStream,
} from "./support/responses_replies.ts";
import { startResponsesUpstream } from "./support/scripted_responses_upstream.ts";
import { type ScriptedUpstream, startUpstream } from "./support/scripted_upstream.ts";
import { errorOf, openSocket, responseOf, type SocketClient } from "./support/socket_client.ts";
import {
  eventsOf,
  startGateway,
  TEST_KEY,
  type TestGateway,
  type TestGatewayOptions,
} from "./support/test_gateway.ts";

const KEY = { authorization: `Bearer ${TEST_KEY}` };
const UNSTORED = { model: "mock-text", store: false };

interface World extends AsyncDisposable {
  readonly upstream: ScriptedUpstream;
  readonly gateway: TestGateway;
  readonly server: ReturnType<typeof serveGateway>;
  open(headers?: Record<string, string>, path?: string): Promise<SocketClient>;
}

async function start(options: TestGatewayOptions = {}): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const upstream = stack.use(await startUpstream());
  const gateway = await startGateway({ baseUrl: upstream.baseUrl, ...options });
  const server = serveGateway(gateway.gateway, { hostname: "127.0.0.1", port: 0 });
  stack.defer(() => server.stop(0));
  const kept = stack.move();
  return {
    upstream,
    gateway,
    server,
    open: (headers, path) => openSocket(server.url, headers ?? KEY, path),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function handshake(more: string, path = "/v1/responses"): string {
  return `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${more}\r\n`;
}

function say(words: string): ReturnType<typeof stream> {
  return stream(role(), text(words), finish("stop"), usage());
}

/** Without what differs from one response to the next. */
function shape(events: readonly Rec[]): string {
  return JSON.stringify(events).replace(/"(?:resp|msg|fc|rs)_[0-9a-z]+"/g, '"id"')
    .replace(/"(?:created|completed)_at":\d+/g, '"at":0');
}

Deno.test("socket events are those of the SSE stream, one JSON text frame each", async () => {
  await using world = await start();
  await using socket = await world.open();
  const tools = [{ type: "function", name: "f", parameters: { type: "object" } }];
  for (const model of ["mock-text", "mock-tool"]) {
    const request = { model, input: "Hi", tools, store: false };
    const over = await socket.create(request);
    const answer = await world.gateway.post("/v1/responses", { ...request, stream: true });
    const http = await eventsOf(answer);
    assertEquals(shape(over), shape(http));
  }
});

Deno.test("socket paths are those of POST, also with a trace", async () => {
  await using world = await start();
  for (const path of ["/api/v1/responses", "/v1/trace_7/responses", "/v1/responses?cid=trace_7"]) {
    await using socket = await world.open(KEY, path);
    assertEquals(responseOf(await socket.create({ ...UNSTORED, input: "Hi" })).status, "completed");
  }
  assertEquals(world.gateway.lines.filter((line) => line.includes("trace_7")).length, 3);
});

Deno.test("socket turns have a log line and a request id of their own, and tell of their connection", async () => {
  await using world = await start();
  await using socket = await world.open();
  await socket.create({ ...UNSTORED, input: "Hi" });
  await socket.create({ ...UNSTORED, model: "nothing-like-it", input: "Hi" });
  const lines = world.gateway.lines.map((line) => JSON.parse(line) as Rec);
  assertEquals(lines.map((line) => [line.method, line.status, line.transport]), [
    ["GET", 101, undefined],
    ["POST", 200, "websocket"],
    ["POST", 400, "websocket"],
  ]);
  assertEquals(new Set(lines.map((line) => line.request_id)).size, 3);
  assertEquals(lines[1]?.connection, lines[0]?.request_id);
  assertEquals(lines[1]?.output_tokens, 7);
});

Deno.test("socket goes on from a response that is stored nowhere, and sends the upstream all of it", async () => {
  await using world = await start();
  world.upstream.enqueue(say("one"), say("two"), say("three"));
  await using socket = await world.open();
  const first = responseOf(await socket.create({ ...UNSTORED, input: "A" }));
  const second = responseOf(
    await socket.create({ ...UNSTORED, input: "B", previous_response_id: first.id }),
  );
  assertEquals(second.previous_response_id, first.id);
  await socket.create({ ...UNSTORED, input: "C", previous_response_id: second.id });
  const messages = world.upstream.requests.at(-1)?.body.messages as Rec[];
  assertEquals(messages.map((message) => message.content), ["A", "one", "B", "two", "C"]);
});

Deno.test("socket remembers only the last response, only for itself, and over HTTP nobody knows it", async () => {
  await using world = await start();
  await using socket = await world.open();
  await using other = await world.open();
  const first = responseOf(await socket.create({ ...UNSTORED, input: "A" })).id;
  const more = { ...UNSTORED, input: "B", previous_response_id: first };
  assertEquals(errorOf(await other.create(more)).code, "previous_response_not_found");
  assertEquals((await world.gateway.post("/v1/responses", more)).status, 400);
  await socket.create({ ...UNSTORED, input: "another chain" });
  const [refused] = await socket.create(more);
  assertEquals([refused?.status, errorOf([refused!]).code], [400, "previous_response_not_found"]);
  assertStringIncludes(JSON.stringify(refused?.headers), "req_");
  assertEquals(world.upstream.requests.length, 2);
});

Deno.test("socket forgets a response that a failed turn went on from", async () => {
  await using world = await start();
  await using socket = await world.open();
  const failures: Rec[] = [
    { input: [{ type: "function_call_output", call_id: "call_x", output: "?" }] },
    { input: "B", model: "mock-http-400" },
    { input: "B", model: "mock-cut-first" },
  ];
  for (const failure of failures) {
    const { id } = responseOf(await socket.create({ ...UNSTORED, input: "A" }));
    const events = await socket.create({ ...UNSTORED, previous_response_id: id, ...failure });
    assert(/^(?:error|response\.failed)$/.test(String(events.at(-1)?.type)));
    const again = await socket.create({ ...UNSTORED, input: "C", previous_response_id: id });
    assertEquals(errorOf(again).code, "previous_response_not_found");
  }
  // One that names no response spoils none.
  const { id } = responseOf(await socket.create({ ...UNSTORED, input: "A" }));
  await socket.create({ ...UNSTORED, input: "B", model: "mock-http-400" });
  await socket.create({ ...UNSTORED, input: "C", previous_response_id: id });
});

Deno.test("socket pairs tool outputs with the calls that it remembers", async () => {
  await using world = await start();
  world.upstream.enqueue(
    stream(role(), call(0, "{}", "call_0", "f"), finish("tool_calls"), usage()),
    say("done"),
  );
  await using socket = await world.open();
  const tools = [{ type: "function", name: "f", parameters: { type: "object" } }];
  const { id } = responseOf(await socket.create({ ...UNSTORED, input: "A", tools }));
  const input = [{ type: "function_call_output", call_id: "call_0", output: "42" }];
  await socket.create({ ...UNSTORED, input, tools, previous_response_id: id });
  const messages = world.upstream.requests.at(-1)?.body.messages as Rec[];
  assertEquals(messages.map((message) => message.role), ["user", "assistant", "tool"]);
});

Deno.test("socket with generate: false makes a response without output that can be gone on from", async () => {
  await using world = await start();
  await using socket = await world.open();
  const events = await socket.create({ ...UNSTORED, input: "A", generate: false });
  assertEquals(events.length, 3);
  const warm = responseOf(events);
  assertEquals([warm.status, warm.output, world.upstream.requests.length], ["completed", [], 0]);
  await socket.create({ ...UNSTORED, input: [], previous_response_id: warm.id });
  const messages = world.upstream.requests[0]?.body.messages as Rec[];
  assertEquals(messages.map((message) => message.content), ["A"]);
});

Deno.test("socket stores and loads responses as POST does; a stored one holds what only the connection knew", async () => {
  await using stack = new AsyncDisposableStack();
  const file = await openSqlite({ path: ":memory:", migrations: documentMigrations });
  stack.defer(() => file.close());
  const sealer = createSealer(parseSealKeys(generateSealKey("k")));
  const world = stack.use(await start({ documents: new SqliteDocumentStore(file), sealer }));
  world.upstream.enqueue(say("one"), say("two"), say("three"), say("four"));
  const socket = stack.use(await world.open());
  const first = responseOf(await socket.create({ ...UNSTORED, input: "A" })).id;
  const model = "mock-text";
  const second = responseOf(
    await socket.create({ model, input: "B", previous_response_id: first }),
  );
  const answer = await world.gateway.post("/v1/responses", {
    model,
    input: "C",
    previous_response_id: second.id,
  });
  const third = await answer.json();
  assertEquals(answer.status, 200, JSON.stringify(third));
  // The other way round: from what is stored to what is not, and on.
  const fourth = responseOf(
    await socket.create({ ...UNSTORED, input: "D", previous_response_id: third.id }),
  ).id;
  await socket.create({ ...UNSTORED, input: "E", previous_response_id: fourth });
  const said = (n: number) =>
    (world.upstream.requests[n]?.body.messages as Rec[]).map((message) => message.content);
  assertEquals(said(2), ["A", "one", "B", "two", "C"]);
  assertEquals(said(4), ["A", "one", "B", "two", "C", "three", "D", "four", "E"]);
});

Deno.test("socket goes on from a response of an upstream that speaks the Responses API", async () => {
  const replies = [[reasoning("I ", "think"), message("one")], [message("two")]];
  await using upstream = await startResponsesUpstream(() =>
    responsesStream(eventsOfResponse(replies.shift()!))
  );
  await using gateway = await startGateway({
    baseUrl: upstream.baseUrl,
    upstream: { api: "responses" },
  });
  const server = serveGateway(gateway.gateway, { hostname: "127.0.0.1", port: 0 });
  await using socket = await openSocket(server.url, KEY);
  // Events that are passed on are the upstream's.
  const create = async (fields: Rec): Promise<Rec> => {
    socket.send({ type: "response.create", ...UNSTORED, ...fields });
    let event = await socket.next();
    while (event.type !== "response.completed") event = await socket.next();
    return responseOf([event]);
  };
  const { id } = await create({ input: "A" });
  const second = await create({ input: "B", previous_response_id: id });
  assertEquals([second.previous_response_id, second.store], [id, false]);
  // Nothing is named that the upstream would have to look up.
  const sent = upstream.requests[1]?.body as Rec;
  assertEquals(sent.previous_response_id, undefined);
  assertEquals((sent.input as Rec[]).map((item) => [item.type ?? "message", item.role]), [
    ["message", "user"],
    ["reasoning", undefined],
    ["message", "assistant"],
    ["message", "user"],
  ]);
  await server.stop();
});

Deno.test("socket answers frames in turn, one at a time, and refusals too", async () => {
  await using world = await start();
  const gate = Promise.withResolvers<void>();
  world.upstream.enqueue({
    ...say("slow"),
    steps: [{ wait: gate.promise }, ...say("slow").steps],
  });
  await using socket = await world.open();
  const create = { type: "response.create", ...UNSTORED };
  socket.send({ ...create, input: "A" });
  socket.send("{");
  socket.send({ ...create, input: "B" });
  await world.upstream.request(0);
  gate.resolve();
  const [a, b, c] = [await socket.turn(), await socket.turn(), await socket.turn()];
  assertEquals([a, b, c].map((turn) => turn.at(-1)?.type), [
    "response.completed",
    "error",
    "response.completed",
  ]);
  assertStringIncludes(JSON.stringify(a), "slow");
});

Deno.test("socket answers what is no request with an error frame, and lives on", async () => {
  await using world = await start({ settings: { max_body_bytes: 4096, max_json_depth: 16 } });
  await using socket = await world.open();
  const create = { type: "response.create", ...UNSTORED, input: "Hi" };
  const bad: [Rec | string | Uint8Array<ArrayBuffer>, number, string][] = [
    ["{", 400, "invalid_json"],
    ["[]", 400, "invalid_event"],
    ["null", 400, "invalid_event"],
    ["{}", 400, "invalid_event"],
    [{ type: "response.append", input: [] }, 400, "invalid_event"],
    [{ ...create, background: true }, 400, "invalid_event"],
    [{ ...create, generate: "no" }, 400, "invalid_event"],
    [{ ...create, stream_id: "main" }, 400, "unknown_parameter"],
    [{ type: "response.create", input: "Hi" }, 400, "missing_required_parameter"],
    [`{"type":"response.create","model":"mock-text","__proto__":{}}`, 400, "json_unsafe_key"],
    ["[".repeat(500), 400, "json_too_deep"],
    [new Uint8Array(8), 400, "invalid_event"],
    [{ ...create, input: "x".repeat(5000) }, 413, "body_too_large"],
    [{ ...create, input: "\u20ac".repeat(1500) }, 413, "body_too_large"],
  ];
  for (const [event, status, code] of bad) {
    socket.send(event);
    const [refused] = await socket.turn();
    assertEquals([refused?.status, errorOf([refused!]).code], [status, code], String(event));
  }
  // Fields of the transport do not matter, and Codex's receipt is not answered.
  socket.send({ type: "response.processed", response_id: "resp_x" });
  const turn = await socket.create({ ...create, stream: false, background: false });
  assertEquals(responseOf(turn).status, "completed");
});

Deno.test("socket upgrade needs a key, and none in the address", async () => {
  await using world = await start();
  const refused = async (headers: string, path?: string): Promise<[number, string]> => {
    const { status, body } = await sendRaw(world.server.port, handshake(headers, path));
    return [status, JSON.parse(body).error.code];
  };
  assertEquals(await refused(""), [401, "missing_api_key"]);
  assertEquals(await refused("", `/v1/responses?api_key=${TEST_KEY}`), [401, "missing_api_key"]);
  assertEquals(await refused("Authorization: Bearer wrong\r\n"), [401, "invalid_api_key"]);
  const key = `X-API-Key: ${TEST_KEY}\r\n`;
  assertEquals(await refused(key.replace("Key: ", "Key: x")), [401, "invalid_api_key"]);
  await assertRejects(() => world.open({}));
  await using socket = await world.open({ "x-api-key": TEST_KEY });
  await socket.create({ ...UNSTORED, input: "Hi" });
});

Deno.test("socket upgrade needs the scope", async () => {
  await using world = await start({ scopes: ["sessions"] });
  const { status, body } = await sendRaw(
    world.server.port,
    handshake(`Authorization: Bearer ${TEST_KEY}\r\n`),
  );
  assertEquals([status, JSON.parse(body).error.code], [403, "insufficient_scope"]);
});

Deno.test("socket upgrade is refused to pages that are not listed, and to a bad handshake", async () => {
  await using world = await start({ settings: { cors_origins: ["https://good.example"] } });
  const ask = async (headers: string): Promise<string> => {
    const key = `Authorization: Bearer ${TEST_KEY}\r\n`;
    const { status, body } = await sendRaw(world.server.port, handshake(key + headers));
    return `${status} ${JSON.parse(body).error.code}`;
  };
  assertEquals(await ask("Origin: https://bad.example\r\n"), "403 origin_not_allowed");
  assertEquals(await ask("Origin: null\r\n"), "403 origin_not_allowed");
  assertEquals(await ask("Sec-WebSocket-Version: 8\r\n"), "400 invalid_upgrade");
  await using socket = await world.open({ ...KEY, origin: "https://good.example" });
  await socket.create({ ...UNSTORED, input: "Hi" });
});

Deno.test("socket connections of a key are limited; one that ends makes room", async () => {
  await using world = await start({ settings: { websockets_per_key: 2 } });
  const first = await world.open();
  await using _second = await world.open();
  const { status, body } = await sendRaw(
    world.server.port,
    handshake(`Authorization: Bearer ${TEST_KEY}\r\n`),
  );
  assertEquals([status, JSON.parse(body).error.code], [429, "too_many_websockets"]);
  await first[Symbol.asyncDispose]();
  await using third = await openWhenThereIsRoom(world);
  await third.create({ ...UNSTORED, input: "Hi" });
});

/** The server learns of an end a moment after the client. */
async function openWhenThereIsRoom(world: World): Promise<SocketClient> {
  while (true) {
    try {
      return await world.open();
    } catch {
      await (await world.gateway.get("/health")).body?.cancel();
    }
  }
}

Deno.test("socket client that goes in mid-stream stops the upstream", async () => {
  await using world = await start();
  const begun = [frame(role()), frame(delta({ content: "abc " }))];
  world.upstream.enqueue({ ...sse(begun), steps: [...begun, { fault: "stall" }] });
  const socket = await world.open();
  socket.send({ type: "response.create", ...UNSTORED, input: "Hi" });
  while ((await socket.next()).type !== "response.output_text.delta");
  socket.close();
  await (await world.upstream.request(0)).closed;
  await world.server.stop();
  const line = world.gateway.lines.map((line) => JSON.parse(line) as Rec).at(-1);
  assertEquals([line?.outcome, line?.error_code], ["aborted", "client_closed_request"]);
});

Deno.test("socket client that goes before the upstream answers stops it too", async () => {
  await using world = await start();
  world.upstream.enqueue({ ...say("x"), steps: [{ fault: "stall" }] });
  const socket = await world.open();
  socket.send({ type: "response.create", model: "mock-never", store: false, input: "Hi" });
  const asked = await world.upstream.request(0);
  socket.close();
  await asked.closed;
});

Deno.test("socket drain finishes the turn, and closes with 1001", async () => {
  await using world = await start();
  const gate = Promise.withResolvers<void>();
  const { steps } = say("last words");
  world.upstream.enqueue({ ...say(""), steps: [{ wait: gate.promise }, ...steps] });
  const idle = await world.open();
  const busy = await world.open();
  busy.send({ type: "response.create", ...UNSTORED, input: "A" });
  await world.upstream.request(0);
  const stopping = world.server.stop();
  assertEquals((await idle.closed).code, 1001);
  gate.resolve();
  assertStringIncludes(JSON.stringify(await busy.turn()), "last words");
  assertEquals((await busy.closed).code, 1001);
  await stopping;
});
