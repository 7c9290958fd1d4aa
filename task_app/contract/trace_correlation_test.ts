import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  extractTraceCorrelationId as extract,
  includeInferenceUrl,
  includeTraceCorrelationId,
} from "./trace_correlation.ts";
import { validateRolloutResponseForRl } from "./rl_rules.ts";

Deno.test("extractTraceCorrelationId looks in the contract's order", () => {
  const table: [string, string | null][] = [
    [
      "https://x.modal.run/v1/chat/completions?cid=trace_run-1234abcd&foo=bar",
      "trace_run-1234abcd",
    ],
    ["https://host?cid=t", "t"],
    ["https://host/v1/trace_a/chat/completions?cid=b", "trace_a"],
    ["https://host/cid_z/v1/trace_a/chat/completions", "trace_a"],
    ["https://host/eval_q/v1/chat/completions?cid=b", "eval_q"],
    ["https://host/v1/chat/completions?trace=3&trace_correlation_id=2&cid=1", "1"],
    ["https://host/v1/chat/completions?trace=3&trace_correlation_id=2", "2"],
    ["https://host/v1/chat/completions?trace=3", "3"],
    ["https://host/v1?cid=x/v1/chat/completions", "x"],
    ["/v1/chat/completions?cid=relative", "relative"],
    ["https://host/v1/trace_/chat/completions", null],
    ["https://host/v1/chat/completions?CID=x", null],
    ["https://host/tracex/v1", null],
    ["https://host/v1/chat/completions?cid=%20", null],
    ["", null],
    ["http://[", null],
  ];
  for (const [url, id] of table) assertEquals(extract(url), id, url);
  for (const value of [null, undefined, 3, {}, "x".repeat(1_000_000)]) {
    assertEquals(extract(value), null);
  }
});

Deno.test("extractTraceCorrelationId finds an id in any place of a query", () => {
  const word = fc.stringMatching(/^[a-z]{1,8}$/);
  const id = fc.stringMatching(/^[A-Za-z0-9._-]{1,40}$/);
  const others = fc.dictionary(word.filter((name) => !["cid", "trace"].includes(name)), word);
  fc.assert(fc.property(others, others, id, (before, after, cid) => {
    const query = [...Object.entries(before), ["cid", cid], ...Object.entries(after)]
      .map((pair) => pair.join("="));
    assertEquals(extract(`https://host/v1/chat/completions?${query.join("&")}`), cid);
  }));
});

Deno.test("includeTraceCorrelationId fills in both layouts, and replaces nothing", () => {
  const answer = {
    trace: { metadata: { session_id: "s" }, session_trace: { metadata: { k: 1 } } },
    trajectories: [{ trace: { event_history: [] } }, { other: 1 }, "odd"],
  };
  const before = structuredClone(answer);
  const ids = { trace_correlation_id: "trace_1" };
  const stamped = { ...ids, correlation_ids: ids };
  assertEquals<unknown>(includeTraceCorrelationId(answer, "trace_1"), {
    trace_correlation_id: "trace_1",
    trace: {
      metadata: { session_id: "s", ...stamped },
      session_trace: { metadata: { k: 1, ...stamped } },
    },
    trajectories: [{ trace: { event_history: [], metadata: stamped } }, { other: 1 }, "odd"],
  });
  assertEquals(answer, before);
  const own = includeTraceCorrelationId({ trace_correlation_id: "mine", trace: {} }, "theirs");
  assertEquals<unknown>(own, {
    trace_correlation_id: "mine",
    trace: {
      metadata: {
        trace_correlation_id: "mine",
        correlation_ids: { trace_correlation_id: "mine" },
      },
    },
  });
  assertEquals<unknown>(includeTraceCorrelationId({ trace: null }, "t"), {
    trace: null,
    trace_correlation_id: "t",
  });
});

Deno.test("includeInferenceUrl makes an answer keep the RL rules, and replaces nothing", () => {
  const url = "https://h/v1/chat/completions?cid=trace_1";
  const bare = {
    trajectories: [{ steps: [{}, { info: { meta: { inference_url: "own?cid=2" } } }] }],
  };
  const filled = includeInferenceUrl(bare, url);
  assertEquals(validateRolloutResponseForRl(filled), []);
  assertEquals<unknown>(filled, {
    pipeline_metadata: { inference_url: url },
    trajectories: [{
      inference_url: url,
      steps: [
        { info: { meta: { inference_url: url } } },
        { info: { meta: { inference_url: "own?cid=2" } } },
      ],
    }],
  });
});
