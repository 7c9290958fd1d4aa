/** 400 requests at once on one session, over two instances of workerd and a Deno process that share one Upstash store. Run by `deno task test:workers`. */
import { assert, assertEquals } from "@std/assert";
import { type Answered, openSession, respond } from "../support/budget_gateways.ts";
import { billConfig, startBillingUpstream } from "../support/budget_upstream.ts";
import { type Ask, edgeEnvironment, startDeploy, startWorkers } from "../support/edge.ts";
import { startRedis } from "../support/redis_server.ts";
import type { Rec } from "../support/response_shape.ts";
import { startUpstashProxy } from "../support/upstash_proxy.ts";

const REQUESTS = 400;
const TOKENS = 16_000;
const COST_USD = 0.05;

interface LimitBody extends Rec {
  limit_value: number;
  current_usage: number;
  held: number;
  overrun: number;
}

Deno.test("worker ledger holds one session's limits over two workerd and one Deno", async () => {
  await using redis = await startRedis();
  await using proxy = await startUpstashProxy(redis.url);
  await using upstream = await startBillingUpstream();
  const env = edgeEnvironment(
    billConfig(upstream.baseUrl).replace("[gateway]", "[gateway]\nstore_deadline_s = 20"),
    proxy,
  );
  await using workers = await startWorkers(env, 2);
  await using deploy = await startDeploy(env);
  const gateways: { readonly ask: Ask } = {
    ask: (n, ...rest) => n % 3 === 2 ? deploy.ask(0, ...rest) : workers.ask(n % 3, ...rest),
  };
  const session = await openSession(gateways, { tokens: TOKENS, cost_usd: COST_USD });
  const ask = (n: number): Promise<Answered> =>
    respond(gateways, n, session, {
      model: "up-a",
      input: "Say something short about the weather in Lisbon and stop after that, please.",
      max_output_tokens: 16 + (n * 13) % 80,
      stream: n % 2 === 0,
    });
  const limits = async (n: number): Promise<LimitBody[]> =>
    (await (await gateways.ask(n, "GET", `/api/v1/sessions/${session}`)).json()).limits;

  let over = false;
  let worst = 0;
  let looks = 0;
  const watching = (async () => {
    while (!over) {
      for (const limit of await limits(looks++)) {
        worst = Math.max(worst, (limit.current_usage + limit.held) / limit.limit_value);
      }
    }
  })();
  const answers = await Promise.all(Array.from({ length: REQUESTS }, (_, n) => ask(n)));
  over = true;
  await watching;
  assert(worst > 0 && worst <= 1 + 1e-9, `used and held came to ${worst} of the limit`);
  answers.forEach(assertProper);
  const served = answers.filter(({ status }) => status === 200).length;
  assert(served > 20, `only ${served} of ${REQUESTS} were served`);
  for (let n = 0; n < 3; n++) {
    const here = answers.filter((answer, i) => i % 3 === n && answer.status === 200).length;
    assert(here > 0, `gateway ${n} served nothing`);
  }

  const last = await untilRefused(ask);
  assertEquals(last.code, "session_limit_exceeded");
  assertEquals(last.held, 0);
  assert(
    Number(last.used) + Number(last.asked) > Number(last.limit),
    "refused although there is room",
  );
  assert(Number(last.asked) < 80, `the smallest request asks for ${last.asked}`);

  const books = await (await gateways.ask(1, "GET", `/api/v1/sessions/${session}`)).json();
  for (const limit of books.limits) assertEquals(limit.overrun, 0);
  assertEquals(books.current_usage.tokens, Number(upstream.bill.tokens));
  assertEquals(Math.round(books.current_usage.cost_usd * 1e9), Number(upstream.bill.cost));
  assertEquals(books.current_usage.api_calls, upstream.bill.calls);
});

/** One after the other until one is refused: its error. */
async function untilRefused(ask: (n: number) => Promise<Answered>): Promise<Rec> {
  for (let n = 0; n < 500; n++) {
    const answer = await ask(n);
    if (answer.status === 200) continue;
    assertProper(answer);
    return answer.body.error as Rec;
  }
  throw new Error("the budget has no end");
}

function assertProper({ status, body, headers }: Answered): void {
  if (status === 200) return;
  const error = body.error as Rec;
  assertEquals(status, 429, JSON.stringify(body));
  if (error.code === "session_limit_exceeded") {
    assertEquals(error.type, "insufficient_quota");
    assertEquals(headers.get("x-should-retry"), "false");
  } else {
    assertEquals(error.code, "session_budget_reserved", JSON.stringify(error));
    assertEquals(headers.get("retry-after"), "1");
  }
  for (const field of ["limit", "used", "held", "asked"]) {
    assertEquals(typeof error[field], "number", field);
  }
}
