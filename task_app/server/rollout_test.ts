import { assert, assertEquals, assertExists, assertFalse } from "@std/assert";
import { FakeClock } from "@synth/core";
import type { RolloutContext } from "../contract/task_app_config.ts";
import {
  type Answer,
  echoApp,
  goodAnswer,
  INFERENCE_URL,
  issueCodes,
  postRollout,
  rolloutBody,
} from "../testing/echo_app.ts";

Deno.test("/rollout gives the rollout its request, and answers with all defaults", async () => {
  let context: RolloutContext | undefined;
  let seen: Answer;
  const { app, log } = echoApp({
    appState: { store: 1 },
    rollout: (request, given) => {
      [seen, context] = [request, given];
      return { ...goodAnswer(), mine: { kept: true }, trace: { event_history: [] } };
    },
  });
  const { status, body, headers } = await postRollout(app, rolloutBody({ theirs: [1] }));
  assertEquals(status, 200);
  assertEquals([seen.theirs, seen.env.seed, seen.safety.max_ops], [[1], 7, 100_000]);
  assertEquals(context?.traceCorrelationId, "trace_run-1");
  assertEquals(context?.appState, { store: 1 });
  assertEquals(context?.requestId, headers.get("x-request-id"));
  assertEquals([body.run_id, body.trace_correlation_id], ["run-1", "trace_run-1"]);
  assertEquals(body.trace.metadata.correlation_ids, { trace_correlation_id: "trace_run-1" });
  assertEquals([body.mine, body.aborted, body.branches], [{ kept: true }, false, {}]);
  const line = log.records().find(({ path }) => path === "/rollout");
  assertEquals([line?.["run_id"], line?.["mode"], line?.["trace_correlation_id"]], [
    "run-1",
    "rl",
    "trace_run-1",
  ]);
});

Deno.test("/rollout warns of an RL request without a correlation id, and passes over an eval one", async () => {
  for (const [mode, level] of [["rl", "warn"], ["eval", "debug"]]) {
    const { app, log } = echoApp();
    const { status, body } = await postRollout(app, rolloutBody({ mode, policy: {} }));
    assertEquals(status, 200);
    assertFalse("trace_correlation_id" in body);
    const record = log.records().find(({ msg }) => String(msg).includes("correlation id"));
    assertEquals(record?.["level"], level);
  }
});

Deno.test("/rollout refuses a request that is not one, before anything runs", async () => {
  let ran = 0;
  const { app } = echoApp({
    limits: { maxBodyBytes: 20_000, maxJsonDepth: 16 },
    rollout: () => {
      ran++;
      return goodAnswer();
    },
  });
  const { mode: _, ...modeless } = rolloutBody();
  const table: [unknown, number, string][] = [
    [modeless, 422, "invalid_rollout_request"],
    [[], 422, "invalid_rollout_request"],
    ["", 400, "invalid_json"],
    ["{", 400, "invalid_json"],
    ['{"a":'.repeat(3000), 400, "json_too_deep"],
    ['{"__proto__":{"mode":"rl"}}', 400, "json_unsafe_key"],
    [rolloutBody({ pad: "x".repeat(20_000) }), 413, "body_too_large"],
    [
      `{"run_id":"r","mode":"rl","policy":{},"env":{"seed":${"9".repeat(400)}}}`,
      422,
      "invalid_rollout_request",
    ],
    [rolloutBody({ ops: ["a", "b"], safety: { max_ops: 1 } }), 422, "rollout_max_ops_exceeded"],
    [rolloutBody({ safety: { max_time_s: 0 } }), 504, "rollout_timed_out"],
  ];
  for (const [body, status, code] of table) {
    const answer = await postRollout(app, body);
    const got = [answer.status, answer.body.error.code, answer.body.detail.error.code];
    assertEquals(got, [status, code, code], JSON.stringify(body).slice(0, 80));
  }
  const gzip = await postRollout(app, rolloutBody(), {
    headers: { "x-api-key": "env-key-0123456789abcdef", "content-encoding": "gzip" },
  });
  assertEquals(gzip.body.error.code, "unsupported_content_encoding");
  assertEquals(ran, 0);
});

Deno.test("/rollout answers 500 with the issues when the answer is not valid", async () => {
  const circular: Answer = { ...goodAnswer() };
  circular.pipeline_metadata.self = circular;
  const deep: Answer = {};
  let at = deep;
  for (let i = 0; i < 100_000; i++) at = at.a = {};
  const table: [Answer, string[]][] = [
    [null, [" invalid_type"]],
    ["text", [" invalid_type"]],
    [[], [" invalid_type"]],
    [{}, ["metrics required"]],
    [{ metrics: { mean_return: "1" } }, ["metrics.mean_return invalid_type"]],
    [{ metrics: { outcome_reward: 1n } }, ["metrics.outcome_reward invalid_type"]],
    [{ ...goodAnswer(), mine: 1n }, [" not_json"]],
    [{ ...goodAnswer(), mine: deep }, [" too_deep"]],
    [circular, [" not_json"]],
  ];
  for (const [answer, issues] of table) {
    const { app } = echoApp({ rollout: () => answer });
    const { status, body } = await postRollout(app);
    assertEquals([status, body.error.code], [500, "invalid_rollout_response"]);
    assertEquals(issueCodes(body), issues);
  }
});

Deno.test("/rollout holds answers to the RL rules in rl mode and when strict is set", async () => {
  const loose = { metrics: { reward_mean: 1 } };
  const expected = [
    "pipeline_metadata.inference_url inference_url_missing",
    "trajectories no_trajectories",
  ];
  const { app } = echoApp({ rollout: () => loose });
  assertEquals((await postRollout(app, rolloutBody({ mode: "eval" }))).status, 200);
  for (
    const [app, body] of [
      [echoApp({ rollout: () => loose }).app, rolloutBody()],
      [echoApp({ rollout: () => loose }).app, rolloutBody({ mode: "eval", strict: true })],
      [echoApp({ rollout: () => loose, strict: true }).app, rolloutBody({ mode: "eval" })],
    ] as const
  ) {
    const answer = await postRollout(app, body);
    assertEquals([answer.status, answer.body.error.code], [500, "invalid_rollout_response"]);
    assertEquals(issueCodes(answer.body), expected);
  }
});

Deno.test("/rollout dumps what knows how to dump itself", async () => {
  const { app } = echoApp({
    rollout: () => ({ toJSON: () => goodAnswer() }) as unknown as ReturnType<typeof goodAnswer>,
  });
  const { status, body } = await postRollout(app);
  assertEquals([status, body.pipeline_metadata], [200, { inference_url: INFERENCE_URL }]);
});

Deno.test("/rollout says that a rollout failed, and only the log why", async () => {
  for (const thrown of [new Error("the key is hush"), "the key is hush"]) {
    const { app, log } = echoApp({ rollout: () => Promise.reject(thrown) });
    const { status, body } = await postRollout(app);
    assertEquals([status, body.error.code], [500, "rollout_failed"]);
    assertFalse(JSON.stringify(body).includes("hush"));
    if (thrown instanceof Error) assert(log.lines.join().includes("hush"));
  }
});

Deno.test("/rollout answers at max_time_s, even if the rollout ignores its signal", async () => {
  const clock = new FakeClock();
  const forever = Promise.withResolvers<Answer>();
  const begun = Promise.withResolvers<RolloutContext>();
  const { app, log } = echoApp({
    rollout: (_, context) => {
      begun.resolve(context);
      return forever.promise;
    },
  }, { clock });
  const pending = postRollout(app, rolloutBody({ safety: { max_time_s: 2.5 } }));
  const { signal, maxTimeS } = await begun.promise;
  assertEquals(maxTimeS, 2.5);
  await clock.tick(2499);
  assertFalse(signal.aborted);
  await clock.tick(1);
  const { status, body } = await pending;
  assertEquals([status, body.error.code, body.error.max_time_s], [504, "rollout_timed_out", 2.5]);
  assertEquals(signal.reason.code, "rollout_timed_out");
  // It ends at last; its answer goes nowhere.
  await clock.tick(60_000);
  forever.resolve(goodAnswer());
  await clock.tick(0);
  const late = log.records().find(({ msg }) => String(msg).includes("long after"));
  assertEquals(late?.["late_ms"], 60_000);
  assertEquals(clock.pending, 0);
});

Deno.test("/rollout bounds max_time_s by the app's own limit", async () => {
  const clock = new FakeClock();
  const begun = Promise.withResolvers<RolloutContext>();
  const { app } = echoApp({
    limits: { maxRolloutS: 10 },
    rollout: (_, context) => {
      begun.resolve(context);
      return clock.sleep(1e9, context.signal).then(goodAnswer);
    },
  }, { clock });
  const pending = postRollout(app, rolloutBody({ safety: { max_time_s: 1e300 } }));
  assertEquals((await begun.promise).maxTimeS, 10);
  await clock.tick(10_000);
  assertEquals((await pending).body.error.code, "rollout_timed_out");
  assertEquals(clock.pending, 0);
});

Deno.test("/rollout ends a rollout that takes more operations than max_ops", async () => {
  const body = rolloutBody({ safety: { max_ops: 3 } });
  let counted = 0;
  let signal: AbortSignal | undefined;
  const { app } = echoApp({
    rollout: (_, context) => {
      signal = context.signal;
      while (counted < 100) counted = context.countOp();
      return goodAnswer();
    },
  });
  const ended = await postRollout(app, body);
  assertEquals([ended.status, ended.body.error.code], [422, "rollout_max_ops_exceeded"]);
  assertEquals([ended.body.error.max_ops, counted, signal?.aborted], [3, 3, true]);
  // One that swallows the error is answered the same.
  const swallowing = echoApp({
    rollout: (_, context) => {
      try {
        context.countOp(4);
      } catch { /* as bad code does */ }
      return goodAnswer();
    },
  });
  assertEquals((await postRollout(swallowing.app, body)).status, 422);
  // So is one that only says so afterwards.
  const told = echoApp({ rollout: () => ({ ...goodAnswer(), ops_executed: 4 }) });
  assertEquals((await postRollout(told.app, body)).body.error.code, "rollout_max_ops_exceeded");
  const within = echoApp({
    rollout: (_, context) => ({ ...goodAnswer(), ops_executed: context.countOp(3) }),
  });
  assertEquals((await postRollout(within.app, body)).body.ops_executed, 3);
});

Deno.test("/rollout refuses one too many, and says when all places are stuck", async () => {
  const clock = new FakeClock();
  const waiting: PromiseWithResolvers<Answer>[] = [];
  const begun: (() => void)[] = [];
  const { app } = echoApp({
    limits: { maxConcurrentRollouts: 2 },
    rollout: () => {
      const work = Promise.withResolvers<Answer>();
      waiting.push(work);
      begun.shift()?.();
      return work.promise;
    },
  }, { clock });
  const start = async (body: unknown = rolloutBody()) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    begun.push(resolve);
    const pending = postRollout(app, body);
    await promise;
    return { pending };
  };
  const first = await start();
  const second = await start(rolloutBody({ safety: { max_time_s: 1 } }));
  const refused = await postRollout(app);
  assertEquals([refused.status, refused.body.error.code], [429, "too_many_rollouts"]);
  assertEquals(refused.headers.get("retry-after"), "1");
  assertEquals(refused.headers.get("x-should-retry"), "true");
  // The second times out, but goes on: its place is not free.
  await clock.tick(1000);
  assertEquals((await second.pending).status, 504);
  assertEquals((await postRollout(app)).status, 429);
  waiting[0]?.resolve(goodAnswer());
  assertEquals((await first.pending).status, 200);
  const third = await start(rolloutBody({ safety: { max_time_s: 1 } }));
  await clock.tick(1000);
  assertEquals((await third.pending).status, 504);
  const stuck = await postRollout(app);
  assertEquals([stuck.status, stuck.body.error.code], [503, "rollouts_stuck"]);
  assertExists(stuck.headers.get("retry-after"));
  // Both end: all is well again.
  waiting[1]?.resolve(goodAnswer());
  waiting[2]?.reject(new Error("late"));
  await clock.tick(0);
  const fourth = await start();
  waiting[3]?.resolve(goodAnswer());
  assertEquals((await fourth.pending).status, 200);
});

Deno.test("stop ends the rollouts that run", async () => {
  const begun = Promise.withResolvers<RolloutContext>();
  const { app } = echoApp({
    rollout: (_, context) => {
      begun.resolve(context);
      return new Promise(() => {});
    },
  }, { clock: new FakeClock() });
  const pending = postRollout(app);
  const { signal } = await begun.promise;
  await app.stop();
  const { status, body, headers } = await pending;
  assertEquals([status, body.error.code], [503, "task_app_stopping"]);
  // It ran: whoever sends it again pays twice.
  assertEquals(headers.get("x-should-retry"), null);
  assert(signal.aborted);
});

Deno.test("a body that does not come is a 408 at the time limit", async () => {
  const clock = new FakeClock();
  const pulled = Promise.withResolvers<void>();
  const { app } = echoApp({ limits: { bodyTimeoutS: 5 } }, { clock });
  const body = new ReadableStream({ pull: () => (pulled.resolve(), new Promise(() => {})) });
  const pending = postRollout(app, "", { body });
  await pulled.promise;
  await clock.tick(5000);
  const { status, body: answer } = await pending;
  assertEquals([status, answer.error.code], [408, "body_timeout"]);
});
