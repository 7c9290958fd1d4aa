import { assertEquals, assertThrows } from "@std/assert";
import { SynthError } from "@synth/core";
import { type Answer, goodAnswer } from "../testing/echo_app.ts";
import { validateRolloutResponseForRl } from "./rl_rules.ts";

function issues(change: (answer: Answer) => void): string[] {
  const answer: Answer = structuredClone(goodAnswer());
  change(answer);
  return validateRolloutResponseForRl(answer, { warnOnly: true })
    .map(({ code, path }) => `${path} ${code}`);
}

Deno.test("validateRolloutResponseForRl takes an answer that keeps the rules", () => {
  assertEquals(validateRolloutResponseForRl(goodAnswer()), []);
});

Deno.test("validateRolloutResponseForRl 1: pipeline_metadata is an object", () => {
  for (const value of [undefined, null, [], "x"]) {
    assertEquals(issues((answer) => answer.pipeline_metadata = value), [
      "pipeline_metadata pipeline_metadata_not_object",
    ]);
  }
});

Deno.test("validateRolloutResponseForRl 2: its inference_url carries a cid", () => {
  const at = "pipeline_metadata.inference_url";
  const given = (url: unknown) => issues((answer) => answer.pipeline_metadata.inference_url = url);
  assertEquals(given(undefined), [`${at} inference_url_missing`]);
  assertEquals(given(""), [`${at} inference_url_missing`]);
  assertEquals(given(7), [`${at} inference_url_not_string`]);
  assertEquals(given("https://h/v1/chat/completions"), [`${at} inference_url_without_cid`]);
  assertEquals(given("https://h/v1?cid="), [`${at} inference_url_without_cid`]);
  assertEquals(given("https://h/v1?acid=x"), [`${at} inference_url_without_cid`]);
  assertEquals(given("https://h/v1#?cid=x"), [`${at} inference_url_without_cid`]);
  for (
    const url of [
      "https://h?cid=t",
      "https://h/v1/chat/completions?a=1&cid=t",
      "https://h/v1/trace_9/chat/completions",
      "https://h/cid_9/v1/chat/completions",
      "https://h?cid=t/v1/chat/completions",
    ]
  ) assertEquals(given(url), [], url);
});

Deno.test("validateRolloutResponseForRl 3: there is a trajectory with a step", () => {
  assertEquals(issues((answer) => answer.trajectories = []), ["trajectories no_trajectories"]);
  assertEquals(issues((answer) => delete answer.trajectories), ["trajectories no_trajectories"]);
  assertEquals(issues((answer) => answer.trajectories.push("x")), [
    "trajectories[1] trajectory_not_object",
  ]);
  assertEquals(issues((answer) => answer.trajectories[0].steps = []), [
    "trajectories[0].steps no_steps",
  ]);
});

Deno.test("validateRolloutResponseForRl 4: each step's info.meta.inference_url carries a cid", () => {
  const step = "trajectories[0].steps[1]";
  const given = (value: unknown) => issues((answer) => answer.trajectories[0].steps.push(value));
  assertEquals(given("x"), [`${step} step_not_object`]);
  assertEquals(given({}), [`${step}.info step_info_not_object`]);
  assertEquals(given({ info: {} }), [`${step}.info.meta step_meta_not_object`]);
  const url = `${step}.info.meta.inference_url`;
  assertEquals(given({ info: { meta: {} } }), [`${url} inference_url_missing`]);
  assertEquals(given({ info: { meta: { inference_url: [] } } }), [
    `${url} inference_url_not_string`,
  ]);
  assertEquals(given({ info: { meta: { inference_url: "https://h" } } }), [
    `${url} inference_url_without_cid`,
  ]);
});

Deno.test("validateRolloutResponseForRl throws all issues unless it is to warn only", () => {
  const error = assertThrows(() => validateRolloutResponseForRl({}), SynthError);
  assertEquals([error.status, error.code], [500, "invalid_rollout_response"]);
  assertEquals(
    error.details["issues"],
    validateRolloutResponseForRl({}, { warnOnly: true }).map((issue) => ({ ...issue })),
  );
  assertEquals(
    validateRolloutResponseForRl(null, { warnOnly: true })[0]?.code,
    "response_not_object",
  );
});
