import { assert, assertEquals, assertThrows } from "@std/assert";
import { checkEvents, finalResponse, parseSseText } from "./response_invariants.ts";
import { isRecord, type Rec } from "./response_shape.ts";

const USAGE = {
  input_tokens: 11,
  input_tokens_details: { cached_tokens: 3, cache_write_tokens: 0 },
  output_tokens: 7,
  output_tokens_details: { reasoning_tokens: 2 },
  total_tokens: 18,
};

function response(status: string, output: unknown[], over: Rec = {}): Rec {
  return {
    id: "resp_1",
    object: "response",
    created_at: 1_750_000_000,
    completed_at: status === "completed" ? 1_750_000_001 : null,
    status,
    incomplete_details: status === "incomplete" ? { reason: "max_output_tokens" } : null,
    model: "m",
    previous_response_id: null,
    instructions: null,
    output,
    error: status === "failed" ? { code: "server_error", message: "broke" } : null,
    tools: [],
    tool_choice: "auto",
    truncation: "disabled",
    parallel_tool_calls: true,
    text: { format: { type: "text" } },
    top_p: 1,
    presence_penalty: 0,
    frequency_penalty: 0,
    top_logprobs: 0,
    temperature: 1,
    reasoning: { effort: null, summary: null },
    usage: status === "in_progress" ? null : USAGE,
    max_output_tokens: null,
    max_tool_calls: null,
    store: true,
    background: false,
    service_tier: "default",
    metadata: {},
    safety_identifier: null,
    prompt_cache_key: null,
    user: null,
    ...over,
  };
}

function textPart(text: string): Rec {
  return { type: "output_text", text, annotations: [], logprobs: [] };
}

function numbered(events: Rec[]): Rec[] {
  return structuredClone(events).map((e, n) => ({ ...e, sequence_number: n }));
}

/** Reasoning, a message of a text and a refusal part, a function call and a custom call. */
function goodStream(): Rec[] {
  const reasoning = {
    id: "rs_1",
    type: "reasoning",
    status: "completed",
    summary: [{ type: "summary_text", text: "ab" }],
  };
  const message = {
    id: "msg_1",
    type: "message",
    status: "completed",
    role: "assistant",
    content: [textPart("Hello"), { type: "refusal", refusal: "no" }],
  };
  const call = { id: "fc_1", type: "function_call", call_id: "c1", name: "f" };
  const custom = { id: "ctc_1", type: "custom_tool_call", call_id: "c2", name: "g" };
  const callDone = { ...call, status: "completed", arguments: '{"a":1}' };
  const customDone = { ...custom, status: "completed", input: "raw" };
  const at = (id: string, i: number) => ({ item_id: id, output_index: i });
  const rs = { ...at("rs_1", 0), summary_index: 0 };
  const c0 = { ...at("msg_1", 1), content_index: 0 };
  const c1 = { ...at("msg_1", 1), content_index: 1 };
  const ev = (type: string, rest: Rec) => ({ type: `response.${type}`, ...rest });
  const running = response("in_progress", []);
  return numbered([
    ev("created", { response: running }),
    ev("in_progress", { response: running }),
    ev("output_item.added", {
      output_index: 0,
      item: { ...reasoning, status: "in_progress", summary: [] },
    }),
    ev("reasoning_summary_part.added", { ...rs, part: { type: "summary_text", text: "" } }),
    ev("reasoning_summary_text.delta", { ...rs, delta: "a" }),
    ev("reasoning_summary_text.delta", { ...rs, delta: "b" }),
    ev("reasoning_summary_text.done", { ...rs, text: "ab" }),
    ev("reasoning_summary_part.done", { ...rs, part: { type: "summary_text", text: "ab" } }),
    ev("output_item.done", { output_index: 0, item: reasoning }),
    { type: "keepalive" },
    ev("output_item.added", {
      output_index: 1,
      item: { ...message, status: "in_progress", content: [] },
    }),
    ev("content_part.added", { ...c0, part: textPart("") }),
    ev("output_text.delta", { ...c0, delta: "Hel", logprobs: [] }),
    ev("output_text.delta", { ...c0, delta: "lo", logprobs: [] }),
    ev("output_text.done", { ...c0, text: "Hello", logprobs: [] }),
    ev("content_part.done", { ...c0, part: textPart("Hello") }),
    ev("content_part.added", { ...c1, part: { type: "refusal", refusal: "" } }),
    ev("refusal.delta", { ...c1, delta: "no" }),
    ev("refusal.done", { ...c1, refusal: "no" }),
    ev("content_part.done", { ...c1, part: { type: "refusal", refusal: "no" } }),
    ev("output_item.done", { output_index: 1, item: message }),
    ev("output_item.added", {
      output_index: 2,
      item: { ...call, status: "in_progress", arguments: "" },
    }),
    ev("function_call_arguments.delta", { ...at("fc_1", 2), delta: '{"a":1}' }),
    ev("function_call_arguments.done", { ...at("fc_1", 2), name: "f", arguments: '{"a":1}' }),
    ev("output_item.done", { output_index: 2, item: callDone }),
    ev("output_item.added", {
      output_index: 3,
      item: { ...custom, status: "in_progress", input: "" },
    }),
    ev("custom_tool_call_input.delta", { ...at("ctc_1", 3), delta: "raw" }),
    ev("custom_tool_call_input.done", { ...at("ctc_1", 3), input: "raw" }),
    ev("output_item.done", { output_index: 3, item: customDone }),
    ev("completed", {
      response: response("completed", [reasoning, message, callDone, customDone]),
    }),
  ]);
}

function last(events: Rec[]): Rec {
  const event = events.at(-1);
  assert(event !== undefined && isRecord(event.response));
  return event.response;
}

Deno.test("checkEvents accepts a stream with every kind of item", () => {
  assertEquals(checkEvents(goodStream()), []);
});

Deno.test("checkEvents accepts a failed stream: error, then response.failed", () => {
  const flat = { code: "server_error", message: "broke", param: null };
  const events = numbered([
    ...goodStream().slice(0, 9),
    { type: "error", ...flat, error: { type: "server_error", ...flat } },
    {
      type: "response.failed",
      response: response(
        "failed",
        last(goodStream()).output instanceof Array ? [goodStream()[8]?.item] : [],
        { usage: null },
      ),
    },
  ]);
  assertEquals(checkEvents(events), []);
});

Deno.test("checkEvents finds the removal of any single event", () => {
  const good = goodStream();
  for (let n = 0; n < good.length; n++) {
    if (good[n]?.type === "keepalive") continue;
    const events = numbered(good.filter((_, i) => i !== n));
    assert(checkEvents(events).length > 0, `removal of #${n} ${String(good[n]?.type)}`);
  }
});

Deno.test("checkEvents finds the doubling of any single event", () => {
  const good = goodStream();
  for (let n = 0; n < good.length; n++) {
    if (good[n]?.type === "keepalive") continue;
    const events = numbered(good.flatMap((e, i) => i === n ? [e, e] : [e]));
    assert(checkEvents(events).length > 0, `doubling of #${n} ${String(good[n]?.type)}`);
  }
});

Deno.test("checkEvents finds two neighbours that changed places", () => {
  const good = goodStream().filter((e) => e.type !== "keepalive");
  for (let n = 0; n + 1 < good.length; n++) {
    const [a, b] = [good[n], good[n + 1]];
    assert(a !== undefined && b !== undefined);
    const events = numbered([...good.slice(0, n), b, a, ...good.slice(n + 2)]);
    assert(checkEvents(events).length > 0, `swap at #${n} ${String(a.type)}`);
  }
});

Deno.test("checkEvents finds a member that is missing or changed, anywhere", () => {
  const missed = new Set<string>();
  goodStream().forEach((event, n) => {
    for (const path of paths(event)) {
      for (const value of [undefined, "other", 99]) {
        const events = goodStream();
        if (!mutate(events[n], path, value)) continue;
        if (checkEvents(events).length === 0) missed.add(`${n} ${path.join(".")} ${value}`);
      }
    }
  });
  // What may have any value: the tier is known late, and these two numbers stand alone.
  assertEquals([...missed], [
    "0 response.service_tier other",
    "1 response.service_tier other",
    "29 response.completed_at 99",
    "29 response.usage.input_tokens_details.cache_write_tokens 99",
    "29 response.service_tier other",
  ]);
});

Deno.test("checkEvents finds what a client cannot survive", () => {
  const cases: Record<string, (events: Rec[]) => void> = {
    "usage null": (e) => last(e).usage = null,
    "usage details partial": (e) => {
      const usage = last(e).usage;
      if (isRecord(usage)) usage.input_tokens_details = {};
    },
    "id differs": (e) => last(e).id = "resp_2",
    "status differs": (e) => last(e).status = "in_progress",
    "unknown event": (e) => e.splice(9, 1, { type: "response.vendor", sequence_number: 9 }),
    "no terminal": (e) => e.pop(),
    "something after the terminal": (e) => e.push({ type: "keepalive", sequence_number: e.length }),
    "not an object": (e) => e.splice(9, 1, [] as unknown as Rec),
    "incomplete item in the middle": (e) => {
      mutate(e[8], ["item", "status"], "incomplete");
      const output = last(e).output;
      if (Array.isArray(output)) output[0].status = "incomplete";
    },
    "call_id used twice": (e) => {
      for (const n of [25, 28]) mutate(e[n], ["item", "call_id"], "c1");
      const output = last(e).output;
      if (Array.isArray(output)) output[3].call_id = "c1";
    },
  };
  for (const [name, breakIt] of Object.entries(cases)) {
    const events = goodStream();
    breakIt(events);
    assert(checkEvents(events).length > 0, name);
  }
});

Deno.test("parseSseText reads exact framing and refuses every other", () => {
  const block = (e: Rec) => `event: ${String(e.type)}\ndata: ${JSON.stringify(e)}\n\n`;
  const text = goodStream().map(block).join("") + "data: [DONE]\n\n";
  assertEquals(parseSseText(text), goodStream());
  assertEquals(finalResponse(parseSseText(text)).status, "completed");
  const bad = [
    "",
    text.replaceAll("\n", "\r\n"),
    text.replace("data: [DONE]\n\n", ""),
    text + ": comment\n\n",
    text.replace("event: response.created\n", ""),
    text.replace("event: response.created", "event: response.completed"),
    text.replace("data: {", "id: 1\ndata: {"),
  ];
  for (const wrong of bad) assertThrows(() => parseSseText(wrong), Error);
  assertThrows(() => finalResponse(goodStream().slice(0, -1)), Error, "no terminal event");
});

/** Paths of all members whose value the rules fix (an echo of the request may have any value). */
function paths(value: unknown, at: string[] = []): string[][] {
  if (Array.isArray(value)) return value.flatMap((v, n) => paths(v, [...at, String(n)]));
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([key, v]) => [[...at, key], ...paths(v, [...at, key])]);
}

function mutate(target: unknown, path: string[], value: unknown): boolean {
  let holder: unknown = target;
  for (const key of path.slice(0, -1)) holder = (holder as Rec)[key];
  const key = path.at(-1);
  if (key === undefined || !isRecord(holder) || holder[key] === value) return false;
  if (value === undefined) delete holder[key];
  else holder[key] = value;
  return true;
}
