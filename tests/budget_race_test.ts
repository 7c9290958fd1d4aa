/** 500 requests at once over four gateway processes on one session: the limit holds, whatever the upstream does. */
import { assert, assertEquals } from "@std/assert";
import { type Answered, openSession, respond, startGateways } from "./support/budget_gateways.ts";
import { billConfig, startBillingUpstream } from "./support/budget_upstream.ts";
import { startRedis } from "./support/redis_server.ts";
import type { Rec } from "./support/response_shape.ts";

const REQUESTS = 500;
const TOKENS = 24_000;
const COST_USD = 0.05;

interface LimitBody extends Rec {
  metric_type: string;
  limit_value: number;
  current_usage: number;
  held: number;
  overrun: number;
}

for (const store of ["sqlite", "redis"] as const) {
  Deno.test(`ledger holds one session's limits over four gateways (${store})`, async () => {
    await using race = await startRace(store, 1);
    const { answers, worst } = await race.run();
    assert(worst <= 1, `used and held came to ${worst} of the limit`);
    for (const answer of answers) assertProper(answer);
    const served = answers.filter((answer) => answer.status === 200).length;
    assert(served > 20, `only ${served} of ${REQUESTS} were served`);

    const last = await race.goOn();
    assertEquals(last.body.code, "session_limit_exceeded");
    const { limit, used, held, asked } = last.body as Record<string, number>;
    assertEquals(held, 0);
    assert(Number(used) + Number(asked) > Number(limit), "refused although there is room");
    // 25 tokens in, known to the session, and 16 out.
    assert(Number(asked) < 80, `the smallest request asks for ${asked}`);

    const { limits, usage } = await race.books();
    for (const one of limits) assertEquals(one.overrun, 0);
    const { bill } = race.upstream;
    assertEquals(usage.tokens, Number(bill.tokens));
    assertEquals(Math.round(Number(usage.cost_usd) * 1e9), Number(bill.cost));
    assertEquals(usage.api_calls, bill.calls);
  });

  Deno.test(`ledger shows what an upstream without a cap overran (${store})`, async () => {
    await using race = await startRace(store, 3);
    const { answers, worst } = await race.run();
    assert(worst <= 1, `charged and held came to ${worst} of the limit`);
    for (const answer of answers) assertProper(answer);
    await race.goOn();
    const { limits, usage, events } = await race.books();
    const { bill } = race.upstream;
    assertEquals(usage.tokens, Number(bill.tokens));
    assertEquals(usage.api_calls, bill.calls);
    const overrun = events.reduce((sum, event) => sum + Number((event.overrun as Rec).tokens), 0);
    assert(overrun > 0);
    const tokens = limits.find((one) => one.metric_type === "tokens");
    assertEquals(tokens?.overrun, overrun);
    assert(Number(tokens?.current_usage) - overrun <= TOKENS);
  });
}

/** @param times how much longer than its cap the upstream answers */
async function startRace(store: "sqlite" | "redis", times: number) {
  await using stack = new AsyncDisposableStack();
  const upstream = stack.use(await startBillingUpstream({ times }));
  const redis = store === "redis" ? stack.use(await startRedis()) : null;
  const gateways = stack.use(
    await startGateways({
      config: billConfig(upstream.baseUrl),
      count: 4,
      ...(redis === null ? {} : { redisUrl: redis.url }),
    }),
  );
  const session = await openSession(gateways, { tokens: TOKENS, cost_usd: COST_USD });
  const text = "Say something short about the weather in Lisbon and stop after that, please.";
  const ask = async (n: number): Promise<Answered> => {
    const cap = 16 + (n * 131) % 1500;
    const stream = n % 2 === 0;
    if (n % 5 !== 4) {
      const body = { model: "up-a", input: text, max_output_tokens: cap, stream };
      return await respond(gateways, n, session, body);
    }
    const messages = [{ role: "user", content: text }];
    const body = { model: "up-a", messages, max_tokens: cap };
    const headers = { "x-synth-session-id": session };
    const answer = await gateways.ask(n, "POST", "/v1/chat/completions", body, headers);
    return { status: answer.status, headers: answer.headers, body: await answer.json() };
  };
  const limitsNow = async (n: number): Promise<LimitBody[]> => {
    const response = await gateways.ask(n, "GET", `/api/v1/sessions/${session}`);
    assertEquals(response.status, 200);
    return (await response.json()).limits;
  };
  const kept = stack.move();
  let polls = 0;
  return {
    upstream,
    /** All at once. `worst`: the largest part of a limit that was charged and held at any time that we looked. */
    async run(): Promise<{ answers: Answered[]; worst: number }> {
      let over = false;
      let worst = 0;
      const watching = (async () => {
        while (!over) {
          for (const limit of await limitsNow(polls++)) {
            const charged = limit.current_usage - limit.overrun;
            const most = times === 1 ? limit.current_usage : charged;
            worst = Math.max(worst, round(most + limit.held) / limit.limit_value);
          }
        }
      })();
      const answers = await Promise.all(Array.from({ length: REQUESTS }, (_, n) => ask(n)));
      over = true;
      await watching;
      return { answers, worst };
    },
    /** One after the other until one is refused: that one. */
    async goOn(): Promise<Answered> {
      for (let n = 0; n < 500; n++) {
        const answer = await ask(n);
        if (answer.status !== 200) {
          assertProper(answer);
          return { ...answer, body: answer.body.error as Rec };
        }
      }
      throw new Error("the budget has no end");
    },
    async books(): Promise<{ limits: LimitBody[]; usage: Rec; events: Rec[] }> {
      const body = await (await gateways.ask(1, "GET", `/api/v1/sessions/${session}`)).json();
      const events: Rec[] = [];
      for (let offset = 0;; offset += 1000) {
        const path = `/api/v1/usage?session_id=${session}&limit=1000&offset=${offset}`;
        const page = await (await gateways.ask(2, "GET", path)).json();
        events.push(...page);
        if (page.length < 1000) break;
      }
      return { limits: body.limits, usage: body.current_usage, events };
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** USD come as binary fractions. */
function round(value: number): number {
  return Math.round(value * 1e9) / 1e9;
}

function assertProper({ status, body, headers }: Answered): void {
  if (status === 200) return;
  const error = body.error as Rec;
  assertEquals(status, 429, JSON.stringify(body));
  const known = ["session_limit_exceeded", "session_budget_reserved"];
  assert(known.includes(String(error.code)), JSON.stringify(error));
  if (error.code === "session_limit_exceeded") {
    assertEquals(error.type, "insufficient_quota");
    assertEquals(headers.get("x-should-retry"), "false");
    assertEquals(headers.get("retry-after"), null);
  } else {
    assertEquals(headers.get("retry-after"), "1");
  }
  for (const field of ["limit", "used", "held", "asked"]) {
    assertEquals(typeof error[field], "number", field);
  }
}
