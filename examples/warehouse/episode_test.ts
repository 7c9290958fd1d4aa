import { assert, assertEquals, assertLessOrEqual, assertRejects } from "@std/assert";
import { SynthError } from "@synth/core";
import { validateRolloutResponseForRl } from "@synth/task-app";
import { explorer } from "../testing/explorer.ts";
import { type Asked, calls, completion, HOSTILE, playedApp } from "../testing/rollouts.ts";
import { shortestPlan } from "./solver.ts";
import { scoreOf, warehouseApp } from "./task_app.ts";
import { type Action, Warehouse } from "./warehouse.ts";
import { createWorld } from "./world.ts";

type Mode = "tool_calls" | "structured" | "text";

function policy(mode: Mode, cid = "trace_1", config: Record<string, unknown> = {}) {
  const inference_url = `http://model.test/v1?cid=${cid}`;
  return { output_mode: mode, config: { inference_url, ...config } };
}

/** The action as a model says it. */
function say(action: Action, mode: Mode): unknown {
  const { tool, ...args } = action;
  if (mode === "tool_calls") return calls([tool, JSON.stringify(args)]);
  const content = JSON.stringify({ tool, arguments: { item: null, direction: null, ...args } });
  return { role: "assistant", content };
}

/** The best that can be done: a model that follows the plan, one action a turn. */
function follow(seed: number, mode: Mode): (asked: Asked, n: number) => Response {
  const plan = shortestPlan(createWorld(seed));
  return (_, n) => completion(say(plan[n] ?? { tool: "look" }, mode));
}

for (const mode of ["tool_calls", "structured", "text"] as const) {
  Deno.test(`rollout in the mode ${mode} gives 1 to a model that follows the shortest plan`, async () => {
    for (let seed = 0; seed < 6; seed++) {
      const app = playedApp(warehouseApp, follow(seed, mode));
      const answer = await app.rollout({ env: { seed }, policy: policy(mode) });
      const { metrics, trajectories, ops_executed } = answer;
      assertEquals([metrics.mean_return, metrics.outcome_score], [1, 1]);
      assertEquals(metrics.details["end_reason"], "submitted");
      assertEquals([metrics.num_steps, app.asked.length], [
        metrics.details["par"],
        metrics.num_steps,
      ]);
      assertEquals(ops_executed, 2 * metrics.num_steps);
      const steps = trajectories[0]?.steps ?? [];
      const rewards = steps.reduce((sum, { reward }) => sum + (reward ?? 0), 0);
      assert(Math.abs(rewards - 1) < 1e-9);
      assertEquals(
        steps.map(({ done }) => done),
        [...steps.keys()].map((n) => n === steps.length - 1),
      );
      assertEquals(validateRolloutResponseForRl(answer), []);
    }
  });

  Deno.test(`rollout in the mode ${mode} ends, with no reward, on answers that do nothing`, async () => {
    for (const [what, message] of HOSTILE) {
      const app = playedApp(warehouseApp, () => completion(message));
      const { metrics } = await app.rollout({ env: { seed: 0 }, policy: policy(mode) });
      assertEquals([metrics.mean_return, metrics.outcome_score], [0, 0], what);
      assertLessOrEqual(app.asked.length, new Warehouse(0, { score: scoreOf }).maxActions, what);
      const reason = metrics.details["end_reason"];
      assert(reason === "no_actions" || reason === "max_actions", what);
    }
  });
}

Deno.test("rollout gives 0.9 and more to a model that knows only what the tools told it", async () => {
  const players = new Map<string, ReturnType<typeof explorer>>();
  const app = playedApp(warehouseApp, ({ url, body }) => {
    const cid = url.searchParams.get("cid") ?? "";
    const player = players.get(cid) ?? explorer();
    const step = players.has(cid) ? player.next(body.messages.at(-1).content) : player.next();
    players.set(cid, player);
    return completion(step.done ? null : say(step.value, "tool_calls"));
  });
  // At the same time: no rollout knows of another.
  const answers = await Promise.all(
    Array.from(
      { length: 12 },
      (_, seed) => app.rollout({ env: { seed }, policy: policy("tool_calls", `trace_${seed}`) }),
    ),
  );
  for (const { metrics } of answers) {
    assert(metrics.mean_return >= 0.9 && metrics.mean_return <= 1);
    assertEquals([metrics.details["complete"], metrics.events_score], [1, 1]);
  }
});

Deno.test("rollout sends histories that any endpoint takes: each call answered, each id once", async () => {
  const app = playedApp(
    warehouseApp,
    (_, n) =>
      completion(
        n % 2 === 0
          ? calls(["look", ""], ["look", "{}"], ["nope", "{"], ["move", '{"direction":"north"}'])
          : { role: "assistant", content: "" },
      ),
  );
  await app.rollout({
    env: { seed: 0 },
    policy: policy("tool_calls", "trace_1", { max_llm_calls: 5 }),
  });
  assertEquals(app.asked.length, 5);
  const { messages } = app.asked.at(-1)?.body ?? {};
  const ids = new Set<string>();
  for (const [index, message] of messages.entries()) {
    assert(message.content !== "" || message.tool_calls !== undefined);
    for (const [at, call] of (message.tool_calls ?? []).entries()) {
      assert(!ids.has(call.id));
      ids.add(call.id);
      JSON.parse(call.function.arguments);
      assertEquals(messages[index + 1 + at].tool_call_id, call.id);
    }
  }
  assertEquals(ids.size, 8);
});

Deno.test("rollout stops at max_llm_calls, at the agents of ops, and at max_ops, and says so", async () => {
  const look = () => completion(calls(["look", "{}"]));
  const ends = async (request: object) => {
    const app = playedApp(warehouseApp, look);
    const { metrics, aborted, ops_executed, trajectories } = await app.rollout({
      env: { seed: 0 },
      policy: policy("tool_calls"),
      ...request,
    });
    assertEquals(trajectories[0]?.steps.at(-1)?.truncated, true);
    return [metrics.details["end_reason"], app.asked.length, ops_executed, aborted];
  };
  assertEquals(
    await ends({ policy: policy("tool_calls", "trace_1", { max_llm_calls: 3 }) }),
    ["max_turns", 3, 6, false],
  );
  assertEquals(await ends({ ops: ["agent", "env", "agent", "env"] }), ["max_turns", 2, 4, false]);
  assertEquals(await ends({ safety: { max_ops: 5 } }), ["max_ops", 3, 5, true]);
  assertEquals(await ends({ safety: { max_ops: 1 } }), ["max_ops", 1, 1, true]);
  assertEquals(await ends({}), ["max_actions", 60, 120, false]);
  const none = playedApp(warehouseApp, look);
  const error = await assertRejects(
    () => none.rollout({ policy: policy("tool_calls"), safety: { max_ops: 0 } }),
    SynthError,
  );
  assertEquals([error.code, none.asked.length], ["rollout_max_ops_exceeded", 0]);
});

Deno.test("rollout ends with its signal: no call is made after it", async () => {
  const gone = new AbortController();
  const app = playedApp(warehouseApp, (_, n) => {
    if (n === 2) gone.abort(new Error("the trainer went"));
    return completion(calls(["look", "{}"]));
  });
  const run = app.client.rollout(
    { run_id: "r", env: { seed: 0 }, policy: policy("tool_calls"), mode: "rl" },
    { signal: gone.signal },
  );
  await assertRejects(() => run, Error, "the trainer went");
  await app.client.health();
  assertEquals(app.asked.length, 3);
});

Deno.test("Trace in the compact form has each message once, in the full one each call's all", async () => {
  for (const trace_format of ["compact", "full"] as const) {
    const app = playedApp(warehouseApp, follow(0, "tool_calls"));
    const { trace } = await app.rollout({
      env: { seed: 0 },
      policy: policy("tool_calls"),
      record: { return_trace: true, trace_format },
    });
    const events = trace?.["event_history"] as {
      llm_request: { messages: { role: string }[]; first_message: number };
      llm_response: { message: object };
    }[];
    assertEquals(events.length, app.asked.length);
    for (const [index, { llm_request }] of events.entries()) {
      const { messages, first_message } = llm_request;
      const sent = app.asked[index]?.body.messages;
      assertEquals(messages as unknown, sent.slice(first_message));
      assertEquals(first_message > 0, trace_format === "compact" && index > 0);
    }
  }
});

Deno.test("the task app tells of each seed how hard it is, and refuses a difficulty that is none", async () => {
  const app = playedApp(warehouseApp, () => completion(null));
  const infos = await app.client.taskInfo([0, 1, 2]);
  assertEquals(infos.map(({ task_metadata }) => task_metadata["difficulty"]), [
    "easy",
    "medium",
    "hard",
  ]);
  const error = await assertRejects(
    () => app.rollout({ env: { seed: 0, config: { difficulty: "impossible" } } }),
    SynthError,
  );
  assertEquals([error.code, error.status], ["invalid_difficulty", 400]);
});
