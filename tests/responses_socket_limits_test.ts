/** What a connection may take: time, frames that wait, a client that does not read. With a clock and a socket of the test. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { FakeClock } from "@synth/core";
import { serveGateway } from "@synth/gateway/deno";
import { openSqliteLedger } from "../gateway/sessions/ledger/ledger_sqlite.ts";
import { ON_LIMIT_KEY } from "../gateway/sessions/on_limit.ts";
import { hard, inProcessConfig, openIn } from "./support/budget_in_process.ts";
import { delta, DONE, finish, frame, role, sse, text } from "./support/chat_replies.ts";
import type { Rec } from "./support/response_shape.ts";
import { startUpstream } from "./support/scripted_upstream.ts";
import { errorOf, openSocket, responseOf } from "./support/socket_client.ts";
import { startGateway, TEST_KEY, type TestGateway } from "./support/test_gateway.ts";

const MINUTE = 60_000;
const CREATE = { type: "response.create", model: "synth-demo", store: false, input: "Hi" };

/** The server's end of a connection whose other end is the test. */
class FakeSocket extends EventTarget {
  bufferedAmount = 0;
  readonly sent: Rec[] = [];
  closed: { code: number | undefined; reason: string | undefined } | null = null;
  broken = false;
  #wake = Promise.withResolvers<void>();

  send(text: string): void {
    if (this.broken) throw new Error("the socket is broken");
    this.sent.push(JSON.parse(text));
    this.#rouse();
  }

  close(code?: number, reason?: string): void {
    if (this.closed !== null) return;
    this.closed = { code, reason };
    this.#rouse();
    queueMicrotask(() => this.dispatchEvent(new Event("close")));
  }

  get whole(): WebSocket {
    return this as unknown as WebSocket;
  }

  receive(event: Rec | string): void {
    const data = typeof event === "string" ? event : JSON.stringify(event);
    this.dispatchEvent(new MessageEvent("message", { data }));
  }

  /** Resolves when what was sent, or the end, is as wished. */
  async until(look: (socket: FakeSocket) => boolean): Promise<void> {
    while (!look(this)) await this.#wake.promise;
  }

  #rouse(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}

async function connect(gateway: TestGateway): Promise<FakeSocket> {
  const socket = new FakeSocket();
  const headers = {
    authorization: `Bearer ${TEST_KEY}`,
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  };
  const answer = await gateway.gateway.fetch(
    new Request("http://gateway.test/v1/responses", { headers }),
    // 101 cannot be made without a socket.
    { upgrade: () => ({ socket: socket.whole, response: new Response(null, { status: 204 }) }) },
  );
  assertEquals(answer.status, 204);
  return socket;
}

function ends(socket: FakeSocket): number {
  return socket.sent.filter(({ type }) => /^(?:error|response\.completed)$/.test(String(type)))
    .length;
}

Deno.test("socket without a frame for 15 minutes is closed, one with turns is not", async () => {
  const clock = new FakeClock();
  await using gateway = await startGateway({ clock });
  const socket = await connect(gateway);
  for (let turn = 1; turn <= 3; turn++) {
    await clock.tick(10 * MINUTE);
    socket.receive(CREATE);
    await socket.until((it) => ends(it) === turn);
  }
  assertEquals(socket.closed, null);
  await clock.tick(20 * MINUTE);
  assertEquals(socket.closed?.code, 1000);
});

Deno.test("socket ends after 60 minutes with the protocol's error, but not within a turn", async () => {
  const clock = new FakeClock();
  const transport = stalling();
  await using gateway = await startGateway({ clock, transport, settings: LONG });
  const [idle, busy] = [await connect(gateway), await connect(gateway)];
  for (let n = 0; n < 11; n++) {
    await clock.tick(5 * MINUTE);
    idle.receive({ type: "response.processed" });
    busy.receive({ type: "response.processed" });
  }
  busy.receive({ ...CREATE, model: "mock-x" });
  await transport.called;
  await clock.tick(6 * MINUTE);
  const [event] = idle.sent;
  assertEquals([event?.status, errorOf([event!]).code], [
    400,
    "websocket_connection_limit_reached",
  ]);
  assertEquals(idle.closed?.code, 1001);
  assertEquals(busy.closed, null);
  transport.finish();
  await busy.until((it) => it.closed !== null);
  assertEquals(busy.sent.map(({ type }) => type).slice(-2), ["response.completed", "error"]);
});

/** Longer than a connection lives. */
const LONG = { request_deadline_s: 7200, idle_timeout_s: 7200, keepalive_s: 7200 };

/** An upstream that begins to answer, and goes on when told: with twenty words, one for each read. */
function stalling() {
  const called = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const say = (word: string): Uint8Array<ArrayBuffer> =>
    new TextEncoder().encode(frame(text(word)));
  let reads = 0;
  return {
    called: called.promise,
    finish: go.resolve,
    /** How often it was read. */
    reads: () => reads,
    send: () => {
      let n = 0;
      return Promise.resolve({
        status: 200,
        headers: new Map([["content-type", "text/event-stream"]]),
        body: {
          async read(): Promise<Uint8Array<ArrayBuffer> | null> {
            n++;
            reads++;
            if (n === 1) return say("x");
            called.resolve();
            await go.promise;
            if (n < 20) return say("y");
            return n > 20 ? null : new TextEncoder().encode(frame(finish("stop")) + DONE);
          },
          cancel: () => go.resolve(),
        },
      });
    },
    close: () => Promise.resolve(),
  };
}

Deno.test("socket whose client does not read stops reading the upstream, then is closed with 1013", async () => {
  const clock = new FakeClock();
  const transport = stalling();
  await using gateway = await startGateway({ clock, transport, settings: LONG });
  const socket = await connect(gateway);
  socket.receive({ ...CREATE, model: "mock-x" });
  await socket.until((it) => it.sent.some(({ type }) => type === "response.output_text.delta"));
  socket.bufferedAmount = 2 * 1024 * 1024;
  transport.finish();
  await clock.tick(30_000);
  const { length } = socket.sent;
  const reads = transport.reads();
  // It takes a little: the time begins anew.
  socket.bufferedAmount--;
  await clock.tick(50_000);
  assertEquals(socket.closed, null);
  // The upstream waits.
  assertEquals([socket.sent.length, transport.reads()], [length, reads]);
  assert(reads < 10);
  await clock.tick(20_000);
  assertEquals(socket.closed?.code, 1013);
  while (gateway.gateway.active > 0) await clock.tick(100);
  assertStringIncludes(gateway.lines.at(-1) ?? "", '"error_code":"client_closed_request"');
});

Deno.test("socket goes on when a slow client has caught up", async () => {
  const clock = new FakeClock();
  const transport = stalling();
  await using gateway = await startGateway({ clock, transport, settings: LONG });
  const socket = await connect(gateway);
  socket.receive({ ...CREATE, model: "mock-x" });
  await socket.until((it) => it.sent.some(({ type }) => type === "response.output_text.delta"));
  socket.bufferedAmount = 2 * 1024 * 1024;
  transport.finish();
  await clock.tick(30_000);
  assertEquals(ends(socket), 0);
  socket.bufferedAmount = 0;
  await clock.tick(1000);
  await socket.until((it) => ends(it) === 1);
});

Deno.test("socket refuses what waits beyond the size of a body in its turn, and closes on too many frames", async () => {
  const clock = new FakeClock();
  const transport = stalling();
  const settings = { ...LONG, max_body_bytes: 4096 };
  await using gateway = await startGateway({ clock, transport, settings });
  const socket = await connect(gateway);
  socket.receive({ ...CREATE, model: "mock-x" });
  for (let n = 0; n < 3; n++) socket.receive({ ...CREATE, input: "x".repeat(1900) });
  await transport.called;
  assertEquals(ends(socket), 0);
  transport.finish();
  await socket.until((it) => ends(it) === 4);
  const last = socket.sent.at(-1)!;
  assertEquals([last.status, errorOf([last]).code], [429, "too_many_waiting"]);
  for (let n = 0; n < 40; n++) socket.receive("{}");
  assertEquals(socket.closed?.code, 1008);
});

Deno.test("socket drain refuses what waits when the turn is over, before it closes", async () => {
  const clock = new FakeClock();
  const transport = stalling();
  await using gateway = await startGateway({ clock, transport, settings: LONG });
  const socket = await connect(gateway);
  socket.receive({ ...CREATE, model: "mock-x" });
  socket.receive({ ...CREATE, model: "mock-x" });
  await transport.called;
  const draining = gateway.gateway.drain(60_000);
  transport.finish();
  await socket.until((it) => it.closed !== null);
  const [completed, refused] = socket.sent.slice(-2);
  assertEquals(completed?.type, "response.completed");
  assertEquals([refused?.status, errorOf([refused!]).code], [503, "shutting_down"]);
  assertEquals(socket.closed?.code, 1001);
  await draining;
});

Deno.test("socket that breaks while it is written to ends the turn", async () => {
  await using gateway = await startGateway();
  const socket = await connect(gateway);
  socket.broken = true;
  socket.receive(CREATE);
  await socket.until((it) => it.closed !== null);
  await gateway.gateway.drain(1000);
  assertEquals(gateway.gateway.active, 0);
});

Deno.test("socket keeps nothing of a turn that is over but the last response", async () => {
  const clock = new FakeClock();
  await using gateway = await startGateway({ clock });
  const socket = await connect(gateway);
  const timers: number[] = [];
  for (let turn = 1; turn <= 20; turn++) {
    socket.receive(CREATE);
    await socket.until((it) => ends(it) === turn);
    await clock.tick(3000);
    timers.push(clock.pending);
  }
  assertEquals(timers.at(-1), timers[1]);
  socket.dispatchEvent(new Event("close"));
  assertEquals(socket.closed, { code: undefined, reason: undefined });
});

Deno.test("socket turns are paid one by one: a refused one leaves the connection, and what a client leaves behind is settled", async () => {
  await using stack = new AsyncDisposableStack();
  const upstream = stack.use(await startUpstream());
  const ledger = await openSqliteLedger({ path: ":memory:" });
  const gateway = stack.use(
    await startGateway({ ledger, config: inProcessConfig(upstream.baseUrl) }),
  );
  const server = serveGateway(gateway.gateway, { hostname: "127.0.0.1", port: 0 });
  stack.defer(() => server.stop(0));
  const authorization = `Bearer ${TEST_KEY}`;
  const limited = async (
    limits: Parameters<typeof openIn>[1],
    more: Record<string, string> = {},
    metadata: Record<string, string> = {},
  ) => {
    const session = await openIn(ledger, limits, metadata);
    const headers = { authorization, "x-synth-session-id": session, ...more };
    return { session, socket: stack.use(await openSocket(server.url, headers)) };
  };
  const books = async (session: string) => (await ledger.getSession("org-a", session))!.limits[0]!;
  const ask = { model: "up-free-a", store: false, input: "Hi" };
  const reply = () =>
    upstream.enqueue(sse([frame(role()), frame(delta({ content: "x" }, "stop"))]));

  const calls = await limited([hard("api_calls", 2)]);
  for (const n of [1n, 2n]) {
    reply();
    assertEquals(responseOf(await calls.socket.create(ask)).status, "completed");
    assertEquals((await books(calls.session)).charged, n);
  }
  for (let n = 0; n < 2; n++) {
    const [refused] = await calls.socket.create(ask);
    assertEquals([refused?.status, errorOf([refused!]).code], [429, "session_limit_exceeded"]);
    assertEquals((refused?.headers as Rec)["x-should-retry"], "false");
  }
  assertEquals(upstream.requests.length, 2);

  // Codex is told in the shape that it shows.
  const codex = await limited([hard("api_calls", 0)], { originator: "codex_exec" });
  const [told] = await codex.socket.create(ask);
  assertEquals(errorOf([told!]).type, "usage_limit_reached");
  assert(String((told?.headers as Rec)["x-codex-promo-message"]).length > 0);

  // As words of the assistant, one can go on from it.
  const words = await limited([hard("api_calls", 0)], {}, { [ON_LIMIT_KEY]: "message" });
  const said = responseOf(await words.socket.create(ask));
  assertEquals(said.status, "completed");
  const more = responseOf(await words.socket.create({ ...ask, previous_response_id: said.id }));
  assertEquals(more.status, "completed");

  // Nothing is spent on what generates nothing.
  const warm = await limited([hard("api_calls", 5)]);
  await warm.socket.create({ ...ask, generate: false });
  assertEquals((await books(warm.session)).charged, 0n);

  const tokens = await limited([hard("tokens", 100_000)]);
  const begun = [frame(role()), frame(delta({ content: "abc ".repeat(40) }))];
  upstream.enqueue({ ...sse(begun), steps: [...begun, { fault: "stall" }] });
  tokens.socket.send({ type: "response.create", ...ask });
  while ((await tokens.socket.next()).type !== "response.output_text.delta");
  const asked = await upstream.request(upstream.requests.length - 1);
  tokens.socket.close();
  await asked.closed;
  while (gateway.gateway.active > 0) await (await gateway.get("/health")).body?.cancel();
  const { held, charged } = await books(tokens.session);
  assertEquals(held, 0n);
  assert(charged >= 40n, "what was produced is not in the books");
  const line = gateway.lines.map((one) => JSON.parse(one) as Rec).at(-1);
  assertEquals(line?.error_code, "client_closed_request");
});
