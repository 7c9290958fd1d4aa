/**
 * Random upstreams against a reference that is slow and obvious, and the checker that knows nothing of the machine.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { Json } from "@synth/core";
import { SseParser } from "@synth/core/sse";
import fc from "fast-check";
import { checkEvents } from "../../../tests/support/response_invariants.ts";
import type { StreamEvent } from "../events.ts";
import { EventWriter } from "../event_writer.ts";
import { makeMachine, makePlan, runTurn, usage } from "../testing/turn.ts";
import { CollectingSink } from "./sink.ts";

const PLAN = makePlan([
  "f",
  "get_weather",
  { upstreamName: "ns__x", name: "x", namespace: "ns" },
  { upstreamName: "hidden", allowed: false },
  { upstreamName: "patch", kind: "custom" },
  { upstreamName: "tool_search", kind: "tool_search" },
  { upstreamName: "__internal_stop", kind: "stop" },
]);

/** Text that breaks careless code: quotes, line ends, tags, halves of pairs. */
const nasty = fc.array(
  fc.constantFrom(
    "a",
    '"',
    "\\",
    "\n",
    "\r\n",
    "\u2028",
    "\u0000",
    "é",
    "🙂",
    "\ud83d",
    "\ude00",
    "<think>",
    "data: [DONE]\n\n",
    "{}",
    "__proto__",
  ),
  { minLength: 1, maxLength: 6 },
).map((parts) => parts.join(""));

/** One thing that the model does, before it is cut into deltas. */
type Act =
  | { do: "text" | "think" | "refuse"; pieces: string[] }
  | { do: "call"; name: string; id: string; pieces: string[] };

const said = fc.record({
  do: fc.constantFrom("text" as const, "think" as const, "refuse" as const),
  pieces: fc.array(nasty, { minLength: 1, maxLength: 4 }),
});

const called: fc.Arbitrary<Act> = fc.record({
  name: fc.constantFrom(
    "f",
    "get_weather",
    "ns__x",
    "hidden",
    "patch",
    "tool_search",
    "__internal_stop",
    "nobody",
    "__proto__",
  ),
  id: fc.constantFrom("", "call_a", "call_b", "bad id", "x\u0000"),
  value: fc.oneof(
    fc.constant(""),
    fc.dictionary(fc.constantFrom("input", "a", "__proto__"), nasty),
  ),
  cuts: fc.array(fc.nat(40), { maxLength: 4 }),
}).map(({ name, id, value, cuts }) => {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return { do: "call", name, id, pieces: cutAt(text, cuts) };
});

const turn = fc.array(fc.oneof(said, called), { maxLength: 6 });

function cutAt(text: string, cuts: number[]): string[] {
  const at = [0, ...cuts.filter((cut) => cut < text.length).sort((a, b) => a - b), text.length];
  return at.slice(1).map((end, n) => text.slice(at[n], end));
}

/** The deltas of a turn; the calls that follow each other directly are dealt out in turns. */
function chunksOf(acts: readonly Act[], interleave: boolean): Json[] {
  const chunks: Json[] = [];
  let index = 0;
  let group: Json[][] = [];
  const deal = () => {
    while (group.some((queue) => queue.length > 0)) {
      for (const queue of group) {
        const next = interleave ? queue.splice(0, 1) : queue.splice(0);
        chunks.push(...next);
      }
    }
    group = [];
  };
  for (const act of acts) {
    if (act.do === "call") {
      const [first = "", ...rest] = act.pieces;
      const here = index++;
      const begin = { index: here, id: act.id, function: { name: act.name, arguments: first } };
      group.push([
        { choices: [{ delta: { tool_calls: [begin] } }] },
        ...rest.map((piece) => ({
          choices: [{ delta: { tool_calls: [{ index: here, function: { arguments: piece } }] } }],
        })),
      ]);
      continue;
    }
    deal();
    const field = { text: "content", think: "reasoning_content", refuse: "refusal" }[act.do];
    for (const piece of act.pieces) chunks.push({ choices: [{ delta: { [field]: piece } }] });
  }
  deal();
  return chunks;
}

/** Halves of pairs may meet another half or not, depending on where items end: not compared here. */
function plain(text: string): string {
  return text.replace(/[\ud800-\udfff\ufffd]|\\ud[89a-f][0-9a-f]{2}/g, "");
}

/** What the client must have at the end, folded from the acts alone. */
function expected(acts: readonly Act[]): { said: string; thought: string; calls: string[] } {
  let said = "";
  let thought = "";
  const calls: string[] = [];
  for (const act of acts) {
    const all = act.pieces.join("");
    if (act.do === "think") thought += all;
    else if (act.do !== "call") said += all;
    else if (act.name === "f" || act.name === "get_weather") {
      calls.push(`${act.name} ${plain(all || "{}")}`);
    } else if (act.name === "ns__x") {
      calls.push(`ns/x ${plain(all || "{}")}`);
    } else if (act.name === "patch") {
      calls.push(`patch ${plain(inputOf(all))}`);
    } else if (act.name === "tool_search") {
      calls.push(`tool_search ${plain(JSON.stringify(JSON.parse(all || "{}")))}`);
    }
  }
  return { said: plain(said), thought: plain(thought), calls };
}

function inputOf(json: string): string {
  if (json === "") return "";
  const members = Object.entries(JSON.parse(json) as Record<string, string>);
  const input = members.find(([key]) => key === "input")?.[1];
  if (input !== undefined) return input;
  return members.length === 1 ? String(members[0]?.[1]) : json;
}

function actual(events: readonly StreamEvent[]): ReturnType<typeof expected> {
  const last = events.at(-1);
  assert(last !== undefined && "response" in last);
  const result: ReturnType<typeof expected> = { said: "", thought: "", calls: [] };
  for (const item of last.response.output) {
    if (item.type === "message") {
      for (const part of item.content) {
        result.said += plain(part.type === "refusal" ? part.refusal : part.text);
      }
    } else if (item.type === "reasoning") {
      for (const part of item.content ?? []) result.thought += plain(part.text);
    } else if (item.type === "function_call") {
      const name = item.namespace === undefined ? item.name : `${item.namespace}/${item.name}`;
      result.calls.push(`${name} ${plain(item.arguments)}`);
    } else if (item.type === "custom_tool_call") {
      result.calls.push(`${item.name} ${plain(item.input)}`);
    } else if (item.type === "tool_search_call") {
      result.calls.push(`tool_search ${plain(JSON.stringify(item.arguments))}`);
    }
  }
  return result;
}

function finalMessage(acts: readonly Act[]): boolean {
  return acts.some((act) => act.do === "call" && act.name === "__internal_stop");
}

Deno.test("ResponseMachine gives what the reference fold gives, for any turn", () => {
  fc.assert(
    fc.property(turn, fc.boolean(), fc.boolean(), (acts, interleave, thinkTags) => {
      const chunks = chunksOf(acts, interleave);
      const plan = { ...PLAN, thinkTags };
      const { events, response } = runTurn(plan, [
        ...chunks,
        { choices: [{ delta: {}, finish_reason: "tool_calls" }] },
        usage(),
      ]);
      assertEquals(checkEvents(events), []);
      assertEquals(response.status, "completed");
      assert(response.output.length > 0);
      JSON.stringify(events, (key, value) => {
        assert(key.isWellFormed() && (typeof value !== "string" || value.isWellFormed()));
        return value;
      });
      if (!thinkTags) assertEquals(actual(events), expected(acts));
      else assertEquals(actual(events).calls, expected(acts).calls);
      assert(!finalMessage(acts) || !JSON.stringify(events).includes("__internal_stop"));
    }),
    { numRuns: 1000 },
  );
});

Deno.test("ResponseMachine ends exactly once and validly, cut at any chunk in any way", () => {
  const ends = ["done", "eof", "idle", "cut", "aborted", "error", "in-stream"] as const;
  const finishes = fc.constantFrom(null, "stop", "tool_calls", "length", "content_filter", "x");
  fc.assert(
    fc.property(
      turn,
      fc.boolean(),
      fc.constantFrom(...ends),
      finishes,
      (acts, mix, end, reason) => {
        const all = chunksOf(acts, mix);
        for (let count = 0; count <= all.length; count++) {
          const chunks = all.slice(0, count);
          if (reason !== null) chunks.push({ choices: [{ delta: {}, finish_reason: reason }] });
          if (end === "in-stream") chunks.push({ error: { message: "it broke" } });
          const { events } = runTurn(PLAN, chunks, {
            reason: end === "in-stream" ? "done" : end,
          });
          assertEquals(checkEvents(events), []);
        }
      },
    ),
    { numRuns: 1000 },
  );
});

Deno.test("ResponseMachine survives any JSON", () => {
  const keys = fc.constantFrom(
    ...["choices", "delta", "message", "content", "tool_calls", "function", "arguments", "name"],
    ...["index", "id", "usage", "error", "reasoning", "reasoning_details", "finish_reason", "type"],
    ...["text", "thinking", "custom", "input", "logprobs", "__proto__", "refusal", "top_logprobs"],
    ...["prompt_tokens", "total_tokens", "function_call", "x_groq", "service_tier", "code"],
  );
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 8 },
      fc.constantFrom<Json>(null, 0, -1, 1e300, "", "f", "patch", "thinking", "stop", true),
      nasty,
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(keys, tie("value"), { maxKeys: 6 }),
    ),
  })).value;
  const chunk = fc.oneof(
    value,
    fc.dictionary(keys, value).map((delta) => ({ choices: [{ delta }] })),
    fc.array(value, { maxLength: 3 }).map((tool_calls) => ({
      choices: [{ delta: { tool_calls } }],
    })),
  );
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 8 }), fc.boolean(), (chunks, logprobs) => {
      const plan = { ...PLAN, logprobs, reasoning: { as: "summary" as const, seal: true } };
      assertEquals(checkEvents(runTurn(plan, chunks).events), []);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("ResponseMachine gives the same events and bytes however the upstream's bytes are split", () => {
  fc.assert(
    fc.property(turn, fc.boolean(), fc.constantFrom("\n", "\r\n", "\r"), (acts, mix, eol) => {
      const frames = [...chunksOf(acts, mix), { choices: [{ delta: {}, finish_reason: "stop" }] }]
        .map((chunk) => `: note${eol}data: ${JSON.stringify(chunk)}${eol}${eol}`);
      const bytes = new TextEncoder().encode(`${frames.join("")}data: [DONE]${eol}${eol}`);
      const whole = translate([bytes]);
      assertEquals(checkEvents(whole.events), []);
      for (let at = 1; at < bytes.length; at++) {
        const split = translate([bytes.subarray(0, at), bytes.subarray(at)]);
        assertEquals(split.bytes, whole.bytes);
      }
      const single = translate(Array.from(bytes, (_, at) => bytes.subarray(at, at + 1)));
      assertEquals(single.events, whole.events);
    }),
    { numRuns: 15 },
  );
});

function translate(pieces: Uint8Array[]): { events: StreamEvent[]; bytes: string } {
  const collected = new CollectingSink();
  const writer = new EventWriter();
  const machines = [makeMachine(PLAN, collected), makeMachine(PLAN, writer)];
  const parser = new SseParser({
    onEvent(data) {
      if (data !== "[DONE]") machines.forEach((machine) => machine.chunk(JSON.parse(data)));
    },
  });
  const decoder = new TextDecoder();
  let bytes = "";
  const flush = () => bytes += decoder.decode(writer.flush() ?? undefined, { stream: true });
  for (const piece of pieces) {
    parser.push(piece);
    flush();
  }
  parser.end();
  machines.forEach((machine) => machine.finish({ reason: "done", now: 1 }));
  flush();
  return { events: collected.events, bytes };
}
