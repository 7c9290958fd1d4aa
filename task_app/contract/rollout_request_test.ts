import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import fc from "fast-check";
import { SynthError } from "@synth/core";
import { rolloutBody } from "../testing/echo_app.ts";
import { parseRolloutRequest } from "./rollout_request.ts";

function refusal(body: unknown): SynthError {
  const error = assertThrows(() => parseRolloutRequest(body), SynthError);
  assertEquals([error.status, error.code], [422, "invalid_rollout_request"]);
  return error;
}

Deno.test("parseRolloutRequest fills in the defaults of the contract", () => {
  assertEquals(parseRolloutRequest({ run_id: "r", env: {}, policy: {}, mode: "eval" }), {
    run_id: "r",
    env: { config: {} },
    policy: { config: {}, output_mode: "tool_calls" },
    ops: [],
    record: {
      trajectories: true,
      logprobs: false,
      value: false,
      return_trace: false,
      trace_format: "compact",
    },
    on_done: "reset",
    safety: { max_ops: 100_000, max_time_s: 3600 },
    mode: "eval",
  });
  const structured = parseRolloutRequest(rolloutBody({
    policy: { output_mode: "structured", structured_config: { schema: { type: "object" } } },
  }));
  assertEquals(structured.policy.structured_config, {
    schema: { type: "object" },
    schema_name: "response",
    strict: true,
  });
});

Deno.test("parseRolloutRequest takes null for what may be absent, as Python clients send it", () => {
  const parsed = parseRolloutRequest(rolloutBody({
    ops: null,
    record: null,
    safety: { max_ops: null, max_time_s: 2.5 },
    on_done: null,
    training_session_id: null,
    trace_correlation_id: null,
    env: { env_name: null, config: null, seed: null },
  }));
  assertEquals(parsed.safety, { max_ops: 100_000, max_time_s: 2.5 });
  assertEquals(parsed.env.config, {});
  assertEquals(parsed.record.trajectories, true);
});

Deno.test("parseRolloutRequest takes trace_correlation_id in place of run_id", () => {
  const { run_id: _, ...rest } = rolloutBody();
  assertEquals(parseRolloutRequest({ ...rest, trace_correlation_id: "trace_9" }).run_id, "trace_9");
  assertEquals(refusal(rest).param, "run_id");
});

Deno.test("parseRolloutRequest names the mode that is missing, and what is wrong elsewhere", () => {
  const { mode: _, ...rest } = rolloutBody();
  assertEquals(refusal(rest).param, "mode");
  assertEquals(refusal(rolloutBody({ mode: "train" })).param, "mode");
  assertEquals(refusal(rolloutBody({ env: { seed: 1.5 } })).param, "env.seed");
  assertEquals(refusal(rolloutBody({ ops: ["agent", 3] })).param, "ops[1]");
  assertEquals(refusal(rolloutBody({ safety: { max_time_s: -1 } })).param, "safety.max_time_s");
  assertEquals(refusal(rolloutBody({ safety: { max_ops: 1.5 } })).param, "safety.max_ops");
  assertEquals(
    refusal(rolloutBody({ policy: { structured_config: {} } })).param,
    "policy.structured_config.schema",
  );
  for (const body of [null, [], "x", 3]) refusal(body);
  const many = refusal(rolloutBody({ ops: Array(100_000).fill(3) }));
  assertEquals(many.details["issues"], [{
    code: "custom",
    path: "ops[0]",
    message: "An operation is a string or an object",
  }]);
});

Deno.test("parseRolloutRequest keeps what it does not know, everywhere", () => {
  const extra = fc.dictionary(fc.string().filter((key) => key !== "__proto__"), fc.jsonValue(), {
    maxKeys: 4,
    noNullPrototype: true,
  });
  fc.assert(fc.property(extra, extra, extra, extra, (top, env, record, config) => {
    const body = JSON.parse(JSON.stringify({
      ...top,
      ...rolloutBody({ ops: [{ ...config }] }),
      ...{ trace_correlation_id: null, strict: null, training_session_id: null },
      synth_base_url: null,
      on_done: "stop",
      env: { ...env, env_id: "e", env_name: "n", seed: 1, config },
      record: {
        ...record,
        trajectories: false,
        logprobs: true,
        value: true,
        return_trace: true,
        trace_format: "full",
      },
      safety: { max_ops: 1, max_time_s: 1 },
    }));
    body.policy.output_mode = "text";
    // Nothing is missing, so nothing is filled in: the same comes out.
    assertEquals(JSON.parse(JSON.stringify(parseRolloutRequest(body))), body);
  }));
});

Deno.test("parseRolloutRequest carries the names of a prototype as members, and __proto__ not at all", () => {
  const body = JSON.parse(
    '{"run_id":"r","mode":"rl","constructor":1,"toString":"x","hasOwnProperty":null,' +
      '"env":{"__proto__":{"seed":5},"config":{"constructor":{"prototype":1}}},"policy":{}}',
  );
  const parsed = parseRolloutRequest(body);
  assertEquals(parsed["constructor"] as unknown, 1);
  assert(Object.hasOwn(parsed, "toString"));
  assertEquals(parsed.env.seed, undefined);
  assertFalse(Object.hasOwn(parsed.env, "__proto__"));
  assertEquals(Object.getPrototypeOf(parsed.env), Object.prototype);
  assertEquals(Object.hasOwn(Object.prototype, "seed"), false);
});
