/**
 * CPU of the request side of the bridge: the check of the body and its translation, over histories of 1,000 and 10,000 items. Time must
 * grow with the items.
 *
 *     deno bench -A bench/bridge_request_bench.ts
 *
 * @module
 */
import { parseJsonLimited } from "@synth/core";
import { parseResponsesRequest } from "@synth/core/api";
import { planTurn } from "../gateway/bridge/request/plan_turn.ts";
import { GENERIC } from "../gateway/upstreams/profiles/generic.ts";

function bodyOf(items: number): object {
  const input = Array.from({ length: items / 5 }, (_, n) => [
    { role: "user", content: [{ type: "input_text", text: `question ${n}` }] },
    { type: "reasoning", summary: [], content: [{ type: "reasoning_text", text: "thinking" }] },
    { type: "function_call", call_id: `c${n}`, name: "f", arguments: `{"n":${n}}` },
    { role: "developer", content: "between" },
    { type: "function_call_output", call_id: `c${n}`, output: `answer ${n}` },
  ]).flat();
  return { model: "m", input };
}

for (const items of [1_000, 10_000]) {
  const body = bodyOf(items);
  const text = JSON.stringify(body);
  const request = parseResponsesRequest(body);
  const group = `${items} items`;

  Deno.bench(`JSON.parse, ${group}`, { group, baseline: true }, () => {
    JSON.parse(text);
  });
  Deno.bench(`parseJsonLimited, ${group}`, { group }, () => {
    parseJsonLimited(text, { maxItems: 1_000_000 });
  });
  Deno.bench(`parseResponsesRequest, ${group}`, { group }, () => {
    parseResponsesRequest(body);
  });
  Deno.bench(`planTurn, ${group}`, { group }, () => {
    planTurn(request, {
      profile: GENERIC,
      upstreamModel: "up",
      client: { kind: "other", refusalAsText: false },
      stopTool: "offer",
      sealer: null,
      org: "org",
    });
  });
}
