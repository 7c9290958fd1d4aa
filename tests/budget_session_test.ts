/** What a session's budget is worth to the one who has it: nearly all of it can be used, and its end is told so that the client understands. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { SessionLedger } from "../gateway/sessions/ledger/ledger.ts";
import { openSqliteLedger } from "../gateway/sessions/ledger/ledger_sqlite.ts";
import { ON_LIMIT_KEY } from "../gateway/sessions/on_limit.ts";
import {
  type BudgetGateway,
  hard,
  openIn,
  startBudgetGateway,
} from "./support/budget_in_process.ts";
import { startBillingUpstream } from "./support/budget_upstream.ts";
import type { Rec } from "./support/response_shape.ts";
import { parseSseText } from "./support/sse_text.ts";
import { ImpatientClock } from "./support/test_gateway.ts";

const ORG = "org-a";
const CODEX = { "user-agent": "codex_cli_rs/0.140.0 (Linux)", originator: "codex_cli_rs" };
const OPENCODE = { "user-agent": "opencode/1.2.3 ai-sdk/provider-utils/3.0" };

/** A gateway on books in memory. */
async function start(options: { output?: number; more?: Rec } = {}) {
  await using stack = new AsyncDisposableStack();
  const { output = 20, more = {} } = options;
  const upstream = stack.use(await startBillingUpstream({ wanted: () => output }));
  const clock = new ImpatientClock();
  const ledger = await openSqliteLedger({ path: ":memory:", clock });
  const gateway = stack.use(
    await startBudgetGateway({ baseUrl: upstream.baseUrl, ledger, clock, more }),
  );
  const kept = stack.move();
  return { upstream, ledger, gateway, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** English of so many tokens, by the four bytes that the upstream counts. */
function words(tokens: number): string {
  return "word".repeat(tokens);
}

Deno.test("admission lets a conversation like Codex's use 85 % of its tokens at least", async () => {
  await using it = await start({ output: 500 });
  const id = await openIn(it.ledger, [hard("tokens", 100_000)]);
  const headers = { ...CODEX, "x-synth-session-id": id };
  const input: Rec[] = [user(words(13_000))];
  let turns = 0;
  let refusal: Rec | null = null;
  while (refusal === null) {
    const answer = await it.gateway.ask({
      model: "up-a",
      instructions: words(2000),
      tools: [{
        type: "function",
        name: "shell",
        description: "Runs a command",
        strict: false,
        parameters: { type: "object", properties: { command: { type: "string" } } },
      }],
      input,
      reasoning: { effort: "medium", summary: "auto" },
      include: ["reasoning.encrypted_content"],
      store: false,
      stream: true,
    }, headers);
    if (answer.status !== 200) {
      refusal = (await answer.json()).error as Rec;
      break;
    }
    const last = parseSseText(await answer.text()).at(-1);
    assertEquals(last?.type, "response.completed");
    input.push(...(last?.response as { output: Rec[] }).output, user(words(1000)));
    turns++;
  }
  assertEquals(refusal.code, "session_limit_exceeded");
  const limit = (await it.ledger.getSession(ORG, id))!.limits[0]!;
  assertEquals(limit.charged, it.upstream.bill.tokens);
  assertEquals(limit.overrun, 0n);
  assert(limit.charged >= 85_000n, `${limit.charged} tokens of 100000 in ${turns} turns`);
});

function user(text: string): Rec {
  return { type: "message", role: "user", content: [{ type: "input_text", text }] };
}

Deno.test("admission opens no session for requests that a used-up one refuses", async () => {
  await using it = await start({ more: { sessions: { default_limit_cost_usd: 0.0001 } } });
  const ask = () => it.gateway.ask({ model: "up-a", input: "Hi", max_output_tokens: 20 });
  let answer = await ask();
  assertEquals(answer.status, 200);
  while (answer.status === 200) {
    await answer.body?.cancel();
    answer = await ask();
  }
  const { calls } = it.upstream.bill;
  assert(calls > 2);
  for (let n = 0; n < 100; n++) {
    assertEquals(answer.status, 429);
    assertEquals((await answer.json()).error.code, "session_limit_exceeded");
    answer = await ask();
  }
  await answer.body?.cancel();
  assertEquals(it.upstream.bill.calls, calls);
  assertEquals((await it.ledger.listSessions(ORG)).length, 1);
});

Deno.test("admission takes a limit of 0 for 0, opens no session, and serves what is free", async () => {
  await using it = await start({ more: { sessions: { default_limit_cost_usd: 0 } } });
  for (let n = 0; n < 100; n++) {
    const answer = await it.gateway.ask({ model: "up-a", input: "Hi" });
    assertEquals([answer.status, (await answer.json()).error.limit], [429, 0]);
  }
  assertEquals(it.upstream.bill.calls, 0);
  assertEquals((await it.ledger.listSessions(ORG)).length, 0);
  const free = await it.gateway.ask({ model: "up-free-a", input: "Hi" });
  assertEquals((await free.json()).status, "completed");
  const image = [{ type: "input_image", image_url: "data:image/png;base64,AAAA" }];
  const unbounded = await it.gateway.ask({
    model: "up-free-a",
    input: [{ type: "message", role: "user", content: image }],
  });
  assertEquals((await unbounded.json()).status, "completed");
});

async function usedUp(ledger: SessionLedger, metadata: Record<string, string> = {}) {
  return await openIn(ledger, [hard("tokens", 0)], metadata);
}

async function refusalOf(
  gateway: BudgetGateway,
  session: string,
  headers: Record<string, string>,
  path?: string,
): Promise<{ status: number; headers: Headers; error: Rec }> {
  const chat = path?.includes("chat") === true;
  const asked = chat ? { messages: [{ role: "user", content: "Hi" }] } : { input: "Hi" };
  const answer = await gateway.ask({ model: "up-a", stream: true, ...asked }, {
    ...headers,
    "x-synth-session-id": session,
  }, path);
  return { status: answer.status, headers: answer.headers, error: (await answer.json()).error };
}

Deno.test("admission tells each client in its own way that the budget is used up", async () => {
  await using it = await start();
  const id = await usedUp(it.ledger);
  for (const path of ["/v1/responses", "/v1/chat/completions"]) {
    const codex = await refusalOf(it.gateway, id, CODEX, path);
    assertEquals([codex.status, codex.error.type], [429, "usage_limit_reached"]);
    const promo = codex.headers.get("x-codex-promo-message") ?? "";
    assertStringIncludes(promo, "tokens limit is used up");
    assertStringIncludes(promo, `/sessions/${id}/limits/increase`);
    assertMatch(promo, /^[\x20-\x7e]{1,500}$/);

    const opencode = await refusalOf(it.gateway, id, OPENCODE, path);
    assertEquals([opencode.status, opencode.error.type], [402, "insufficient_quota"]);
    const sdk = await refusalOf(it.gateway, id, { "user-agent": "ai-sdk/openai/2.0" }, path);
    assertEquals(sdk.status, 402);

    for (const agent of ["OpenAI/JS 5.1.0", "curl/8.5.0"]) {
      const other = await refusalOf(it.gateway, id, { "user-agent": agent }, path);
      assertEquals([other.status, other.error.type], [429, "insufficient_quota"]);
    }
    for (const headers of [CODEX, OPENCODE, { "user-agent": "curl/8.5.0" }]) {
      const refusal = await refusalOf(it.gateway, id, headers, path);
      assertEquals(refusal.headers.get("x-should-retry"), "false");
      assertEquals(refusal.headers.get("retry-after"), null);
      const { code, metric, scope, limit, used, held, asked, session_id, remedy } = refusal.error;
      assertEquals(
        { code, metric, scope, limit, used, held, session_id },
        {
          code: "session_limit_exceeded",
          metric: "tokens",
          scope: "session",
          limit: 0,
          used: 0,
          held: 0,
          session_id: id,
        },
      );
      assert(Number(asked) > 0);
      assertStringIncludes(String(remedy), "raise it");
    }
  }
  assertEquals(it.upstream.bill.calls, 0);
});

Deno.test("admission refuses as the session's on_limit says", async () => {
  await using it = await start();
  const plain = await usedUp(it.ledger, { [ON_LIMIT_KEY]: "error" });
  for (const headers of [CODEX, OPENCODE]) {
    const refusal = await refusalOf(it.gateway, plain, headers);
    assertEquals([refusal.status, refusal.error.type], [429, "insufficient_quota"]);
    assertEquals(refusal.headers.get("x-codex-promo-message"), null);
  }
  const spoken = await usedUp(it.ledger, { [ON_LIMIT_KEY]: "message" });
  const ask = (body: Rec, path?: string) =>
    it.gateway.ask(
      { model: "up-a", ...body },
      { ...CODEX, "x-synth-session-id": spoken },
      path,
    );
  const text = /^\[synth\] The session's tokens limit is used up: .+increase/;
  const whole = await (await ask({ input: "Hi" })).json();
  assertEquals(whole.status, "completed");
  assertMatch(whole.output[0].content[0].text, text);
  const streamed = await ask({ input: "Hi", stream: true });
  assertEquals(streamed.headers.get("x-synth-refused"), "session_limit_exceeded");
  const events = parseSseText(await streamed.text());
  assertEquals(events.at(-1)?.type, "response.completed");
  const messages = [{ role: "user", content: "Hi" }];
  const chat = await (await ask({ messages }, "/v1/chat/completions")).json();
  assertMatch(chat.choices[0].message.content, text);
  const chunks = await (await ask({ messages, stream: true }, "/v1/chat/completions")).text();
  assert(chunks.endsWith("data: [DONE]\n\n"));
  // The log tells it from a model's answer.
  const line = JSON.parse(it.gateway.lines.at(-1) ?? "");
  assertEquals([line.status, line.error_code], [200, "session_limit_exceeded"]);
  assertEquals(it.upstream.bill.calls, 0);
});

Deno.test("admission cuts the output to what the session can pay, on every route and whatever field asks for it", async () => {
  await using it = await start({ output: 5000 });
  const messages = [{ role: "user", content: "Hi" }];
  for (const stream of [false, true]) {
    for (
      const [path, body] of [
        ["/v1/responses", { input: "Hi" }],
        ["/v1/responses", { input: "Hi", max_output_tokens: 5000 }],
        ["/v1/chat/completions", { messages }],
        ["/v1/chat/completions", { messages, max_tokens: 5000 }],
        ["/v1/chat/completions", { messages, max_completion_tokens: 5000 }],
        ["/v1/chat/completions", { messages, max_tokens: 20, max_completion_tokens: 5000 }],
      ] as const
    ) {
      const id = await openIn(it.ledger, [hard("tokens", 800)]);
      const headers = { "x-synth-session-id": id };
      const answer = await it.gateway.ask({ model: "up-a", stream, ...body }, headers, path);
      assertEquals(answer.status, 200, await answer.text());
      const sent = it.upstream.requests.at(-1)!.body;
      assert(Number(sent.max_tokens) <= 800 && !("max_completion_tokens" in sent), path);
      const limit = (await it.ledger.getSession(ORG, id))!.limits[0]!;
      assertEquals([limit.held, limit.overrun], [0n, 0n]);
      assert(limit.charged > 20n && limit.charged <= 800n, `${path}: ${limit.charged}`);
    }
  }
});
