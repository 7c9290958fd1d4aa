/** A gateway that is killed between any two steps of a request: what was spent is in the books, once, and the session goes on. */
import { assert, assertEquals } from "@std/assert";
import { FakeClock } from "@synth/core";
import { RespTransport } from "@synth/core/storage/resp";
import type { SessionLedger } from "../gateway/sessions/ledger/ledger.ts";
import { RedisLedger } from "../gateway/sessions/ledger/ledger_redis.ts";
import { openSqliteLedger } from "../gateway/sessions/ledger/ledger_sqlite.ts";
import { CRASH_STEPS, type CrashSettings, type CrashStep } from "./support/budget_crash_gateway.ts";
import { openSession, startGateways } from "./support/budget_gateways.ts";
import { hard, openIn } from "./support/budget_in_process.ts";
import { billConfig, startBillingUpstream } from "./support/budget_upstream.ts";
import { gate } from "./support/chat_replies.ts";
import { startRedis } from "./support/redis_server.ts";
import { startSynth, temporaryDirectory } from "./support/synth_process.ts";
import { TEST_KEY } from "./support/test_gateway.ts";

const ORG = "org-a";
const BODY = { model: "up-a", input: "Say hi", max_output_tokens: 50, stream: true };
const HOUR_MS = 3_600_000;

for (const store of ["sqlite", "redis"] as const) {
  Deno.test(`ledger keeps its books when a gateway dies between two steps (${store})`, async () => {
    await using place = await openPlace(store);
    for (const step of CRASH_STEPS) await dieAt(step, place);
  });
}

async function dieAt(step: CrashStep, place: Place): Promise<void> {
  await using upstream = await startBillingUpstream({ wanted: () => 20 });
  const { address } = place;
  const id = await openIn(place.ledger, [hard("tokens", 5000)]);
  const limit = async (ledger: SessionLedger) => (await ledger.getSession(ORG, id))?.limits[0];
  {
    await using dying = await startChild({ at: step, baseUrl: upstream.baseUrl, ledger: address });
    const answer = await ask(dying.url, id).catch(() => null);
    const text = await answer?.text().catch(() => "") ?? "";
    assert(!text.includes("response.completed"), `${step}: the client got its last event`);
    assertEquals((await dying.ended).code, 137, `${step}: the gateway lives`);
  }
  const before = await limit(place.ledger);
  assert(before !== undefined);
  const reported = upstream.bill.tokens;
  const left = step === "after_settle" || step === "before_reserve";
  assertEquals(before.held > 0n, !left, step);
  assertEquals(before.charged, step === "after_settle" ? reported : 0n, step);
  assertEquals(upstream.bill.calls, step.endsWith("_reserve") ? 0 : 1, step);

  // Long before its time is up, nothing happens to the lease; after it, it is charged, once.
  assertEquals((await place.ledger.expireLeases(ORG)).expired, 0, step);
  await using later = await place.later();
  const expired = [await later.ledger.expireLeases(ORG), await later.ledger.expireLeases(ORG)];
  assertEquals(expired.map((one) => one.expired), [left ? 0 : 1, 0], step);
  const after = await limit(later.ledger);
  assertEquals(after?.held, 0n, step);
  assertEquals(after?.charged, left ? before.charged : before.held, step);
  const events = await later.ledger.listUsage(ORG, { sessionId: id });
  assertEquals(
    events.map((event) => event.expired),
    {
      before_reserve: [],
      after_settle: [false],
      other: [true],
    }[left ? step : "other"],
    step,
  );

  await using next = await startChild({ at: null, baseUrl: upstream.baseUrl, ledger: address });
  const answer = await ask(next.url, id);
  assertEquals(answer.status, 200, step);
  assert((await answer.text()).includes("response.completed"), step);
  const end = await limit(later.ledger);
  const second = upstream.bill.tokens - reported;
  assertEquals(end?.charged, (after?.charged ?? 0n) + second, step);
  assertEquals(end?.overrun, 0n, step);
}

Deno.test("synth up charges the lease of a gateway that was killed in mid-stream", async () => {
  const held = gate();
  await using upstream = await startBillingUpstream({ gate: held.promise, wanted: () => 20 });
  await using gateways = await startGateways({ config: billConfig(upstream.baseUrl), count: 2 });
  const id = await openSession(gateways, { tokens: 5000 });
  const response = await gateways.ask(0, "POST", "/v1/responses", BODY, {
    "x-synth-session-id": id,
  });
  assertEquals(response.status, 200);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let seen = "";
  while (!seen.includes("output_text.delta")) seen += (await reader.read()).value ?? "";
  await gateways.kill(0);
  await reader.read().then((rest) => assert(rest.done), () => {});
  held.open();
  const view = async () => {
    const answer = await gateways.ask(1, "GET", `/api/v1/sessions/${id}`);
    return (await answer.json()).limits[0];
  };
  const { held: tokens, current_usage } = await view();
  assert(tokens > 50);
  assertEquals(current_usage, 0);

  const clock = new FakeClock(Date.now() + HOUR_MS);
  const ledger = await openSqliteLedger({ path: `${gateways.home}/ledger.db`, clock });
  assertEquals((await ledger.expireLeases("local")).expired, 1);
  await ledger.close();
  const charged = await view();
  assertEquals([charged.held, charged.current_usage, charged.overrun], [0, tokens, 0]);
  const n = await gateways.add();
  const again = await gateways.ask(n, "POST", "/v1/responses", { ...BODY, stream: false }, {
    "x-synth-session-id": id,
  });
  assertEquals((await again.json()).status, "completed");
  assertEquals((await view()).current_usage, tokens + 22);
});

interface Place extends AsyncDisposable {
  readonly ledger: SessionLedger;
  /** For the children. */
  readonly address: string;
  /** The same books, an hour on. */
  later(): Promise<AsyncDisposable & { readonly ledger: SessionLedger }>;
}

async function openPlace(store: "sqlite" | "redis"): Promise<Place> {
  const opened = async (ledger: SessionLedger | Promise<SessionLedger>) => {
    const one = await ledger;
    return { ledger: one, [Symbol.asyncDispose]: () => one.close() };
  };
  await using stack = new AsyncDisposableStack();
  if (store === "redis") {
    const { url } = stack.use(await startRedis());
    const open = (hours: number) =>
      opened(
        new RedisLedger(new RespTransport({ url }), { now: () => Date.now() + hours * HOUR_MS }),
      );
    const { ledger } = stack.use(await open(0));
    const kept = stack.move();
    return {
      ledger,
      address: url,
      later: () => open(1),
      [Symbol.asyncDispose]: () => kept.disposeAsync(),
    };
  }
  const home = stack.use(await temporaryDirectory());
  const path = `${home.path}/ledger.db`;
  const open = (hours: number) =>
    opened(openSqliteLedger({ path, clock: new FakeClock(Date.now() + hours * HOUR_MS) }));
  const { ledger } = stack.use(await open(0));
  const kept = stack.move();
  return {
    ledger,
    address: path,
    later: () => open(1),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function startChild(settings: CrashSettings) {
  const child = startSynth([], {
    entry: "../tests/support/budget_crash_gateway.ts",
    env: { CRASH: JSON.stringify(settings) },
    permissions: ["run"],
  });
  return {
    url: await child.firstLine(),
    ended: child.result,
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

function ask(url: string, session: string): Promise<Response> {
  return fetch(`${url}/v1/responses`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${TEST_KEY}`,
      "content-type": "application/json",
      "x-synth-session-id": session,
    },
    body: JSON.stringify(BODY),
  });
}
