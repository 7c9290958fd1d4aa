import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { SynthError } from "@synth/core";
import { intentClassification } from "../intent_classification/task_app.ts";
import { calls, completion, playedApp } from "../testing/rollouts.ts";
import { jsonIn } from "./chat.ts";

const ANSWER = calls(["classify", '{"intent":"accident"}']);

function refused(status: number, headers: Record<string, string> = {}, code = "x"): Response {
  return Response.json(
    { error: { code, message: "No. Key sk-synth-0123456789abcdef0123456789" } },
    {
      status,
      headers,
    },
  );
}

Deno.test("askModel tries a 429 and a 503 again, with the wait that they ask for", async () => {
  const replies = [
    refused(429, { "retry-after-ms": "1" }),
    refused(503, { "retry-after-ms": "1" }),
    completion(ANSWER),
  ];
  const app = playedApp(intentClassification, (_, n) => replies[n] ?? refused(500));
  const { metrics } = await app.rollout();
  assertEquals([app.asked.length, metrics.details["intent"]], [3, "accident"]);
});

Deno.test("askModel sends a refused budget once, and says what it is", async () => {
  for (const reply of [refused(429, { "x-should-retry": "false" }), refused(402)]) {
    const app = playedApp(intentClassification, () => reply);
    const error = await assertRejects(() => app.rollout(), SynthError);
    assertEquals([error.code, error.status, error.exitCode], ["inference_budget_exceeded", 429, 5]);
    assertEquals(app.asked.length, 1);
  }
});

Deno.test("askModel fails on what is the endpoint's fault: it is no score of 0", async () => {
  const cases: [string, () => Response][] = [
    ["inference_unauthorized", () => refused(401)],
    ["inference_failed", () => refused(500)],
    ["inference_failed", () => Response.redirect("http://elsewhere.test/", 307)],
    ["inference_failed", () => new Response("<html>", { status: 200 })],
    ["inference_failed", () => Response.json({ error: { message: "overloaded" } })],
    ["inference_failed", () => Response.json({ choices: "none" })],
    ["inference_failed", () => new Response(null, { status: 204 })],
  ];
  for (const [code, reply] of cases) {
    const app = playedApp(intentClassification, reply);
    const error = await assertRejects(() => app.rollout(), SynthError);
    assertEquals([error.code, error.status], [code, 502]);
    assertEquals(app.asked.length, 1);
    assertEquals(error.message.includes("sk-synth-0123456789"), false);
  }
});

Deno.test("askModel scores the answer when the endpoint says that the model called no tool properly", async () => {
  const app = playedApp(intentClassification, () => refused(400, {}, "tool_use_failed"));
  assertEquals((await app.rollout()).metrics.mean_return, 0);
});

Deno.test("askModel keeps the query of the inference URL, and completes its path", async () => {
  const app = playedApp(intentClassification, () => completion(ANSWER));
  const inference_url = "http://model.test/base/v1?cid=trace_9&x=1";
  const answer = await app.rollout({ policy: { config: { inference_url, temperature: 0 } } });
  const url = "http://model.test/base/v1/chat/completions?cid=trace_9&x=1";
  assertEquals(app.asked[0]?.url.href, url);
  assertEquals(app.asked[0]?.body.temperature, 0);
  assertEquals(answer.pipeline_metadata["inference_url"], url);
  assertEquals(answer.trace_correlation_id, "trace_9");
});

Deno.test("inferenceOf sends INFERENCE_API_KEY to the origin of INFERENCE_URL alone", async () => {
  const env = { INFERENCE_URL: "http://model.test/v1", INFERENCE_API_KEY: "secret" };
  const app = playedApp(intentClassification, () => completion(ANSWER), { env });
  const policy = (inference_url: string) => ({ policy: { config: { inference_url } } });
  await app.rollout(policy("http://model.test/other?cid=trace_1"));
  const elsewhere = [
    "http://stranger.test/v1?cid=trace_1",
    "https://model.test/v1?cid=trace_1",
    "http://model.test:8080/v1?cid=trace_1",
    "http://model.test@stranger.test/v1?cid=trace_1",
  ];
  for (const url of elsewhere) await app.rollout(policy(url));
  assertEquals(
    app.asked.map(({ headers }) => headers.get("authorization")),
    ["Bearer secret", null, null, null, null],
  );
});

Deno.test("inferenceOf wants a correlation id in RL mode before it spends anything", async () => {
  const app = playedApp(intentClassification, () => completion(ANSWER));
  const bare = { policy: { config: { inference_url: "http://model.test/v1" } } };
  const error = await assertRejects(() => app.rollout(bare), SynthError);
  assertEquals([error.code, error.status], ["inference_url_without_cid", 400]);
  assertEquals(app.asked.length, 0);
  await app.rollout({ ...bare, trace_correlation_id: "trace_7" });
  assertEquals(app.asked[0]?.url.search, "?cid=trace_7");
  await app.rollout({ ...bare, mode: "eval" });
  assertEquals(app.asked[1]?.url.search, "");
});

Deno.test("inferenceOf refuses what is no http URL", async () => {
  const app = playedApp(intentClassification, () => completion(ANSWER));
  for (
    const inference_url of ["file:///etc/passwd?cid=trace_1", "javascript:1?cid=trace_1", "::"]
  ) {
    const error = await assertRejects(
      () => app.rollout({ policy: { config: { inference_url } }, mode: "eval" }),
      SynthError,
    );
    assertEquals(error.code, "invalid_inference_url");
  }
  assertEquals(app.asked.length, 0);
});

Deno.test("askModel ends with the rollout's time", async () => {
  const never = Promise.withResolvers<Response>();
  const app = playedApp(intentClassification, () => never.promise);
  const error = await assertRejects(
    () => app.rollout({ safety: { max_time_s: 0.05 } }),
    SynthError,
  );
  assertEquals([error.code, error.status], ["rollout_timed_out", 504]);
  never.resolve(completion(ANSWER));
});

Deno.test("Trace has every call with its correlation id, when it is asked for", async () => {
  const app = playedApp(intentClassification, () => completion(ANSWER));
  assertEquals((await app.rollout()).trace, null);
  for (const trace_format of ["compact", "full", "structured"] as const) {
    const { trace } = await app.rollout({ record: { return_trace: true, trace_format } });
    const events = trace?.["event_history"] as { [key: string]: unknown }[];
    assertEquals(events.length, 1);
    assertEquals([events[0]?.["event_type"], events[0]?.["correlation_id"]], [
      "lm_call",
      "trace_1",
    ]);
    const metadata = trace?.["metadata"] as { [key: string]: unknown };
    assertEquals(metadata["trace_correlation_id"], "trace_1");
    assertEquals(trace?.["session_trace"] !== undefined, trace_format === "structured");
    assertStringIncludes(JSON.stringify(events[0]?.["llm_response"]), "classify");
  }
});

Deno.test("jsonIn finds the object in what models write around it", () => {
  assertEquals(jsonIn('{"a":1}'), { a: 1 });
  assertEquals(jsonIn('Sure:\n```json\n{"a":{"b":2}}\n```\nThere.'), { a: { b: 2 } });
  for (
    const text of ["", "no", "{", "}{", "[1]", '{"a":1', '{"a":1} or {"b":2}', "{".repeat(1e5)]
  ) {
    assertEquals(jsonIn(text), null);
  }
});

Deno.test("wantsTrajectories leaves them out when the request does without, and keeps what the RL rules want", async () => {
  const app = playedApp(intentClassification, () => completion(ANSWER));
  const record = { trajectories: false };
  assertEquals((await app.rollout({ record, mode: "eval" })).trajectories, []);
  assertEquals((await app.rollout({ record, mode: "eval", strict: true })).trajectories.length, 1);
  assertEquals((await app.rollout({ record })).trajectories.length, 1);
});
