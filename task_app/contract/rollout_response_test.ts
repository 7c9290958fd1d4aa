import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { SynthError } from "@synth/core";
import { goodAnswer } from "../testing/echo_app.ts";
import { parseRolloutResponse, RolloutMetricsSchema } from "./rollout_response.ts";

function paths(answer: unknown): string[] {
  const error = assertThrows(() => parseRolloutResponse(answer), SynthError);
  assertEquals([error.status, error.code], [500, "invalid_rollout_response"]);
  const issues = error.details["issues"];
  return Array.isArray(issues)
    ? issues.map((issue) => String(Reflect.get(issue as object, "path")))
    : [];
}

Deno.test("parseRolloutResponse fills in the defaults of the contract", () => {
  const parsed = parseRolloutResponse({
    run_id: "r",
    metrics: { episode_returns: [1, 0], mean_return: 0.5, num_steps: 4 },
  });
  assertEquals(parsed, {
    run_id: "r",
    trajectories: [],
    branches: {},
    metrics: {
      episode_returns: [1, 0],
      mean_return: 0.5,
      num_steps: 4,
      num_episodes: 0,
      details: {},
      reward_mean: 0.5,
      outcome_reward: 0.5,
    },
    aborted: false,
    ops_executed: 0,
    pipeline_metadata: {},
  });
});

Deno.test("RolloutMetricsSchema takes the later names, and gives both", () => {
  for (
    const given of [{ reward_mean: 2 }, { outcome_reward: 2 }, {
      outcome_objectives: { reward: 2 },
    }]
  ) {
    const { mean_return, reward_mean, outcome_reward, episode_returns, num_steps } =
      RolloutMetricsSchema.parse(given);
    assertEquals([mean_return, reward_mean, outcome_reward], [2, 2, 2]);
    assertEquals([episode_returns, num_steps], [[2], 0]);
  }
  const scored = RolloutMetricsSchema.parse({
    episode_returns: [3],
    mean_return: 3,
    num_steps: 1,
    outcome_score: 0.25,
  });
  assertEquals(scored.outcome_reward, 0.25);
});

Deno.test("parseRolloutResponse lists all that is wrong, with paths", () => {
  assertEquals(paths({ run_id: "r" }), ["metrics"]);
  assertEquals(paths({ metrics: { mean_return: 1 }, run_id: "r" }), [
    "metrics.episode_returns",
    "metrics.num_steps",
  ]);
  const metrics = goodAnswer().metrics;
  assertEquals(paths({ metrics }), ["run_id"]);
  assertEquals(
    paths({
      run_id: "r",
      metrics,
      trajectories: [{ steps: [{ reward: "1" }, 5], env_id: "e", policy_id: "p", length: 0 }],
      ops_executed: -1,
    }),
    [
      "trajectories[0].steps[0].reward",
      "trajectories[0].steps[1]",
      "trajectories[0].inference_url",
      "ops_executed",
    ],
  );
  assertEquals(paths({ run_id: "r", metrics: { ...metrics, mean_return: NaN } }), [
    "metrics.mean_return",
  ]);
  assertEquals(paths({ run_id: "r", metrics: { ...metrics, mean_return: Infinity } }), [
    "metrics.mean_return",
  ]);
  for (const answer of [null, undefined, [], "x"]) assertEquals(paths(answer), [""]);
});

Deno.test("parseRolloutResponse keeps what it does not know, everywhere", () => {
  const extra = fc.dictionary(fc.string().filter((key) => key !== "__proto__"), fc.jsonValue(), {
    maxKeys: 4,
    noNullPrototype: true,
  });
  fc.assert(fc.property(extra, extra, extra, extra, (top, metrics, step, trace) => {
    const answer = JSON.parse(JSON.stringify({
      ...top,
      run_id: "r",
      trace_correlation_id: "c",
      branches: { a: ["b"] },
      aborted: true,
      ops_executed: 2,
      trace,
      pipeline_metadata: { ...metrics },
      metrics: {
        ...metrics,
        episode_returns: [1],
        mean_return: 1,
        num_steps: 1,
        num_episodes: 1,
        outcome_score: null,
        events_score: null,
        details: trace,
        reward_mean: 1,
        outcome_reward: 1,
        outcome_objectives: null,
      },
      trajectories: [{
        ...step,
        env_id: "e",
        policy_id: "p",
        length: 1,
        inference_url: "u",
        final: null,
        trace,
        decision_samples: [1],
        steps: [{
          ...step,
          obs: trace,
          tool_calls: [step],
          reward: 1,
          done: true,
          truncated: false,
          info: step,
          output: "text",
          output_mode: "text",
        }],
      }],
    }));
    assertEquals(JSON.parse(JSON.stringify(parseRolloutResponse(answer))), answer);
  }));
});
