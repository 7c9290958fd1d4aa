/** A store that hangs, refuses, lies or forgets: no free traffic, no double charge. */
import { assert, assertEquals } from "@std/assert";
import { FakeClock } from "@synth/core";
import { RespTransport } from "@synth/core/storage/resp";
import { UpstashTransport } from "@synth/core/storage/upstash";
import type { SessionLedger } from "../gateway/sessions/ledger/ledger.ts";
import { RedisLedger } from "../gateway/sessions/ledger/ledger_redis.ts";
import { openSqliteLedger } from "../gateway/sessions/ledger/ledger_sqlite.ts";
import { hard, openIn, startBudgetGateway } from "./support/budget_in_process.ts";
import { startBillingUpstream } from "./support/budget_upstream.ts";
import { gate } from "./support/chat_replies.ts";
import { startRedis } from "./support/redis_server.ts";
import { ImpatientClock } from "./support/test_gateway.ts";
import { type ProxyFault, startUpstashProxy } from "./support/upstash_proxy.ts";

const ORG = "org-a";
const BODY = { model: "up-a", input: "Say hi", max_output_tokens: 50 };
const STREAMED = { ...BODY, stream: true };
/** Milliseconds that a store call may take here. */
const DEADLINE_MS = 250;

type Chaos = Awaited<ReturnType<typeof startChaos>>;

/** A gateway on the Upstash protocol, one request of which has been served. */
async function startChaos(more = {}) {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedis());
  const proxy = stack.use(await startUpstashProxy(redis.url));
  const upstream = stack.use(await startBillingUpstream({ wanted: () => 20 }));
  const ledger = new RedisLedger(
    new UpstashTransport({ url: proxy.url, token: proxy.token, deadlineMs: DEADLINE_MS }),
  );
  const gateway = stack.use(
    await startBudgetGateway({
      baseUrl: upstream.baseUrl,
      ledger,
      clock: new ImpatientClock(),
      more,
    }),
  );
  const id = await openIn(ledger, [hard("tokens", 100_000)]);
  const ask = (body: Record<string, unknown>) => gateway.ask(body, { "x-synth-session-id": id });
  // Redis knows the scripts from here on, and the gateway has swept.
  assertEquals((await ask(BODY)).status, 200);
  await gateway.settled();
  const kept = stack.move();
  return {
    redis,
    proxy,
    upstream,
    ledger,
    gateway,
    ask,
    /** Held and charged tokens of the session. */
    async books() {
      await gateway.settled();
      const { held, charged, overrun } = (await ledger.getSession(ORG, id))!.limits[0]!;
      assertEquals(overrun, 0n);
      return { held, charged };
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** What makes a call fail. Over a connection that breaks it is sent again a few times, by the client and by `fetch`. */
const FATAL: readonly (readonly ProxyFault[])[] = [
  ["hang"],
  Array(12).fill("drop_before"),
  Array(12).fill("drop_after"),
  ["drop_after", "hang"],
  ["late"],
  ["status_500"],
  ["html_502"],
  ["garbled"],
  ["wrong_shape"],
  ["short"],
];

Deno.test("admission serves nothing while the store fails, and gives back what it may have granted", async () => {
  await using it = await startChaos();
  for (const body of [BODY, STREAMED]) {
    for (const faults of FATAL) {
      const before = it.upstream.bill.calls;
      const { charged } = await it.books();
      it.proxy.inject(...faults);
      const answer = await it.ask(body);
      it.proxy.clear();
      await assertUnavailable(answer, faults);
      assertEquals(it.upstream.bill.calls, before, `${faults}: the upstream was called`);
      assertEquals(await it.books(), { held: 0n, charged }, String(faults));
      it.proxy.release();
      assertEquals(await it.books(), { held: 0n, charged }, String(faults));
    }
    assertEquals((await it.ask(BODY)).status, 200);
  }
  assertEquals((await it.books()).charged, it.upstream.bill.tokens);
});

Deno.test("admission charges once when the store executes twice or its answer is lost", async () => {
  await using it = await startChaos();
  const cases: ProxyFault[][] = [
    ["duplicate"],
    ["drop_after"],
    ["drop_before"],
    ["drop_before", "drop_after"],
    ["drop_after", "duplicate"],
  ];
  for (const faults of cases) {
    for (const body of [BODY, STREAMED]) {
      it.proxy.inject(...faults); // meets the reserve
      await assertCompleted(await it.ask(body));
      assertEquals(await it.books(), { held: 0n, charged: it.upstream.bill.tokens }, `${faults}`);
      await assertCompleted(await withFaultsOnSettle(it, body, faults));
      assertEquals(await it.books(), { held: 0n, charged: it.upstream.bill.tokens }, `${faults}`);
    }
  }
});

Deno.test("admission settles in the background when the store is away at the end", async () => {
  await using it = await startChaos();
  for (const faults of FATAL) {
    for (const body of [BODY, STREAMED]) {
      await assertCompleted(await withFaultsOnSettle(it, body, faults));
      it.proxy.clear();
      assertEquals(
        await it.books(),
        { held: 0n, charged: it.upstream.bill.tokens },
        `${faults}`,
      );
      it.proxy.release();
    }
  }
});

Deno.test("admission serves without books only where the operator says so", async () => {
  await using it = await startChaos({ sessions: { on_store_error: "open" } });
  it.proxy.inject("hang");
  const answer = await it.ask(BODY);
  assertEquals(answer.headers.get("x-synth-budget-warning"), "unmetered");
  await assertCompleted(answer);
  assert(it.gateway.lines.some((line) => line.includes("serving unmetered")));
});

Deno.test("admission refuses a session that the store forgot, and opens none in its place", async () => {
  await using it = await startChaos();
  await it.redis.cli("FLUSHALL");
  for (const body of [BODY, STREAMED]) {
    const calls = it.upstream.bill.calls;
    const answer = await it.ask(body);
    assertEquals(answer.status, 400);
    assertEquals((await answer.json()).error.code, "session_not_found");
    assertEquals(it.upstream.bill.calls, calls);
  }
  assertEquals(await it.ledger.listSessions(ORG), []);
  assertEquals(await it.redis.cli("DBSIZE"), "0");
});

Deno.test("admission answers a request whose session the store forgot meanwhile", async () => {
  const held = gate();
  await using redis = await startRedis();
  await using upstream = await startBillingUpstream({ gate: held.promise });
  const ledger = new RedisLedger(new RespTransport({ url: redis.url }));
  const clock = new ImpatientClock();
  await using gateway = await startBudgetGateway({ baseUrl: upstream.baseUrl, ledger, clock });
  const id = await openIn(ledger, [hard("tokens", 100_000)]);
  const answer = await gateway.ask(STREAMED, { "x-synth-session-id": id });
  await redis.cli("FLUSHALL");
  held.open();
  await assertCompleted(answer);
  await gateway.settled();
  assertEquals(await ledger.getSession(ORG, id), null);
  // The org's journal still has it: nothing is lost.
  const events = await ledger.listUsage(ORG);
  assertEquals(events.map((event) => event.amounts.tokens), [upstream.bill.tokens]);
});

Deno.test("admission is back as soon as a frozen or killed Redis is", async () => {
  await using redis = await startRedis({ persist: true });
  await using upstream = await startBillingUpstream({ wanted: () => 20 });
  const ledger = new RedisLedger(
    new RespTransport({ url: redis.url, deadlineMs: DEADLINE_MS }),
  );
  const clock = new ImpatientClock();
  await using gateway = await startBudgetGateway({ baseUrl: upstream.baseUrl, ledger, clock });
  const id = await openIn(ledger, [hard("tokens", 100_000)]);
  const ask = () => gateway.ask(BODY, { "x-synth-session-id": id });
  await assertCompleted(await ask());
  redis.pause();
  await assertUnavailable(await ask(), ["paused"]);
  redis.resume();
  await gateway.settled();
  await assertCompleted(await ask());
  await redis.kill();
  await assertUnavailable(await ask(), ["killed"]);
  await redis.restart();
  await gateway.settled();
  await assertCompleted(await ask());
  await gateway.settled();
  assertEquals(upstream.bill.calls, 3);
  const limit = (await ledger.getSession(ORG, id))!.limits[0]!;
  assertEquals([limit.charged, limit.overrun], [upstream.bill.tokens, 0n]);
});

Deno.test("ledger charges a lease whose settlement was lost behind the last event, once", async () => {
  await using upstream = await startBillingUpstream({ wanted: () => 20 });
  const clock = new FakeClock();
  const real = await openSqliteLedger({ path: ":memory:", clock });
  const lost: Parameters<SessionLedger["settle"]>[0][] = [];
  // The isolate ends: the promise never settles, and nobody hears of it.
  const ledger: SessionLedger = new Proxy(real, {
    get(target, name) {
      if (name === "settle" && lost.length === 0) {
        return (input: Parameters<SessionLedger["settle"]>[0]) => {
          lost.push(input);
          return new Promise(() => {});
        };
      }
      const member: unknown = Reflect.get(target, name);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  await using gateway = await startBudgetGateway({ baseUrl: upstream.baseUrl, ledger, clock });
  const id = await openIn(ledger, [hard("tokens", 100_000)]);
  const headers = { "x-synth-session-id": id };
  const limit = async () => (await real.getSession(ORG, id))!.limits[0]!;
  const answer = await gateway.ask(STREAMED, headers);
  const text = answer.text();
  await waitFor(() => lost.length === 1);
  await clock.tick(2000);
  assert((await text).includes("response.completed"));
  const { held } = await limit();
  assert(held > upstream.bill.tokens);

  // An hour on, the next request has the lease charged.
  await clock.tick(3_600_000);
  await assertCompleted(await gateway.ask(BODY, headers));
  await waitFor(async () => (await limit()).held === 0n);
  const second = upstream.bill.tokens / 2n;
  assertEquals((await limit()).charged, held + second);
  assertEquals((await real.expireLeases(ORG)).expired, 0);
  // Should the settlement arrive after all, it corrects the charge, however often it comes.
  for (let n = 0; n < 2; n++) {
    assertEquals((await real.settle(lost[0]!)).already, n === 1);
    assertEquals((await limit()).charged, upstream.bill.tokens);
  }
});

/** Runs a request whose settlement meets the faults: they are injected when the upstream has the request. */
async function withFaultsOnSettle(
  it: Chaos,
  body: Record<string, unknown>,
  faults: readonly ProxyFault[],
): Promise<Response> {
  const n = it.upstream.requests.length;
  const asked = it.ask(body);
  await it.upstream.request(n);
  it.proxy.inject(...faults);
  return await asked;
}

async function assertUnavailable(answer: Response, faults: readonly string[]): Promise<void> {
  const text = await answer.text();
  assert(answer.status === 503, `${faults}: ${answer.status} ${text}`);
  const { error } = JSON.parse(text);
  assertEquals([answer.status, error.code], [503, "budget_store_unavailable"], faults.join());
  assertEquals(answer.headers.get("retry-after"), "2");
}

async function assertCompleted(answer: Response): Promise<void> {
  const text = await answer.text();
  assertEquals(answer.status, 200, text);
  assert(/"status":"completed"/.test(text), text);
}

/** Lets events come in until it is so. */
async function waitFor(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 10_000;
  while (!await condition()) {
    assert(performance.now() < end, `never: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
