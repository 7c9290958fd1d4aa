/**
 * Random tools, answers and ways to send them, through the whole gateway over sockets and back as the history of the next request, against a
 * reference that is slow, obvious, and knows none of the bridge's code. It finds the upstream's name of a tool by the tool's description.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { createSealer, generateSealKey, parseSealKeys } from "../gateway/bridge/seal.ts";
import { historyFaults } from "./support/chat_history_validator.ts";
import { DONE, frame, json, sse, usageOf } from "./support/chat_replies.ts";
import { checkEvents, checkResponse, finalResponse } from "./support/response_invariants.ts";
import { isRecord, type Rec } from "./support/response_shape.ts";
import { type RawReply, type RecordedRequest, startUpstream } from "./support/scripted_upstream.ts";
import { eventsOf, startGateway } from "./support/test_gateway.ts";

/** A tool as the client knows it. */
interface Tool {
  readonly kind: "function" | "custom" | "tool_search";
  readonly name: string;
  readonly space: string | null;
}

/** One thing that the model does. */
type Act =
  | { do: "say" | "think"; pieces: string[] }
  | { do: "call"; tool: number; value: { [key: string]: string }; cuts: number[] };

/** How an upstream sends what its model does. */
interface Manners {
  readonly index: "counted" | "none" | "zero";
  readonly id: "once" | "repeated" | "empty";
  readonly nameAgain: boolean;
  readonly args: "pieces" | "whole" | "object";
  readonly thought: "reasoning_content" | "reasoning" | "parts";
  readonly interleave: boolean;
  readonly finish: "stop" | "tool_calls";
  readonly usage: "own chunk" | "with finish";
  readonly eol: "\n" | "\r\n";
  readonly done: boolean;
  readonly comments: boolean;
  /** Bytes of each write; 0: one write for each event. */
  readonly writes: number;
}

const word = fc.constantFrom(
  "a",
  " b",
  "é",
  "🙂",
  "\n",
  '"',
  "\\",
  "{}",
  "data: ",
  "\u2028",
  "x".repeat(99),
);
const words = fc.array(word, { minLength: 1, maxLength: 5 }).map((list) => list.join(""));
const pieces = fc.array(words, { minLength: 1, maxLength: 4 });

const tools: fc.Arbitrary<Tool[]> = fc.uniqueArray(
  fc.oneof(
    fc.record({
      kind: fc.constantFrom("function" as const, "custom" as const),
      name: fc.constantFrom("f", "ff", "run.it", "constructor", "n".repeat(70), "__proto__"),
      space: fc.constantFrom(null, "ns", "agents.v1", "toString"),
    }),
    fc.constant<Tool>({ kind: "tool_search", name: "tool_search", space: null }),
  ),
  { minLength: 1, maxLength: 6, selector: ({ name, space }) => `${space}/${name}` },
);

const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({ do: fc.constantFrom("say" as const, "think" as const), pieces }),
  fc.record({
    do: fc.constant("call" as const),
    tool: fc.nat(5),
    value: fc.dictionary(fc.constantFrom("input", "query", "é"), words, { maxKeys: 2 }),
    cuts: fc.array(fc.nat(60), { maxLength: 4 }),
  }),
);
const acts = fc.array(act, { maxLength: 6 });

const manners: fc.Arbitrary<Manners> = fc.record({
  index: fc.constantFrom("counted", "none", "zero"),
  id: fc.constantFrom("once", "repeated", "empty"),
  nameAgain: fc.boolean(),
  args: fc.constantFrom("pieces", "whole", "object"),
  thought: fc.constantFrom("reasoning_content", "reasoning", "parts"),
  interleave: fc.boolean(),
  finish: fc.constantFrom("stop", "tool_calls"),
  usage: fc.constantFrom("own chunk", "with finish"),
  eol: fc.constantFrom("\n", "\r\n"),
  done: fc.boolean(),
  comments: fc.boolean(),
  writes: fc.constantFrom(0, 0, 1, 7, 1000),
});

/** What the client declares. Each description can be found again. */
function declared(list: readonly Tool[]): Rec[] {
  return list.map(({ kind, name, space }, n): Rec => {
    const description = `tool #${n};`;
    if (kind === "tool_search") return { type: kind, execution: "client", description };
    const tool = { type: kind, name, description };
    return space === null
      ? tool
      : { type: "namespace", name: space, description: "", tools: [tool] };
  });
}

/** The upstream's name of each tool. */
function upstreamNames(request: RecordedRequest, count: number): string[] {
  const offered = (request.body.tools as { function: Rec }[]).map((tool) => tool.function);
  return Array.from({ length: count }, (_, n) => {
    const found = offered.filter((fn) => String(fn.description).includes(`tool #${n};`));
    assertEquals(found.length, 1, `tool #${n}`);
    return String(found[0]?.name);
  });
}

/** What the model sends as arguments. */
function argumentsOf(tool: Tool, value: { [key: string]: string }): Rec {
  return tool.kind === "custom" ? { input: Object.values(value).join("") } : value;
}

function cutAt(text: string, cuts: readonly number[]): string[] {
  const at = [0, ...cuts.filter((cut) => cut < text.length).sort((a, b) => a - b), text.length];
  return at.slice(1).map((end, n) => text.slice(at[n], end));
}

/** The deltas of one call. */
function callDeltas(
  act: Act & { do: "call" },
  n: number,
  name: string,
  tool: Tool,
  how: Manners,
): Rec[] {
  const args = argumentsOf(tool, act.value);
  const text = JSON.stringify(args);
  const sent: unknown[] = how.args === "object"
    ? [args]
    : how.args === "whole"
    ? [text]
    : cutAt(text, act.cuts);
  return sent.map((piece, at) => {
    const id = at === 0 || how.id === "repeated"
      ? { id: `call_${n}` }
      : how.id === "empty"
      ? { id: "" }
      : {};
    const index = how.index === "counted" ? { index: n } : how.index === "zero" ? { index: 0 } : {};
    const again = at === 0 || how.nameAgain ? { name } : {};
    return { tool_calls: [{ ...index, ...id, function: { ...again, arguments: piece } }] };
  });
}

function deltasOf(
  list: readonly Act[],
  all: readonly Tool[],
  names: string[],
  how: Manners,
): Rec[] {
  const deltas: Rec[] = [{ role: "assistant", content: "" }];
  let calls = 0;
  let group: Rec[][] = [];
  const deal = (): void => {
    const mixed = how.interleave && how.index === "counted";
    while (group.some((queue) => queue.length > 0)) {
      for (const queue of group) deltas.push(...mixed ? queue.splice(0, 1) : queue.splice(0));
    }
    group = [];
  };
  for (const one of list) {
    if (one.do === "call") {
      const at = one.tool % all.length;
      group.push(callDeltas(one, calls++, names[at]!, all[at]!, how));
      continue;
    }
    deal();
    for (const piece of one.pieces) {
      if (one.do === "say") deltas.push({ content: piece });
      else if (how.thought !== "parts") deltas.push({ [how.thought]: piece });
      else {deltas.push({
          content: [{ type: "thinking", thinking: [{ type: "text", text: piece }] }],
        });}
    }
  }
  deal();
  return deltas;
}

/** The bytes of the answer, cut as the manners say. */
function answer(deltas: readonly Rec[], how: Manners): RawReply {
  const chunks: Rec[] = deltas.map((delta) => ({ choices: [{ index: 0, delta }] }));
  const end: Rec = { choices: [{ index: 0, delta: {}, finish_reason: how.finish }] };
  const usage = usageOf(11, 7, 3, 2);
  if (how.usage === "with finish") chunks.push({ ...end, usage });
  else chunks.push(end, { choices: [], usage });
  const comment = how.comments ? ": still here\n\n" : "";
  const frames = chunks.map((chunk) => comment + frame(chunk));
  if (how.done) frames.push(DONE);
  const events = frames.map((text) => text.replaceAll("\n", how.eol));
  if (how.writes === 0) return sse(events);
  const bytes = new TextEncoder().encode(events.join(""));
  const steps: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += how.writes) {
    steps.push(bytes.subarray(at, at + how.writes));
  }
  return sse(steps);
}

/** What the client must get, folded from the acts alone. */
function expectedItems(list: readonly Act[], all: readonly Tool[]): string[] {
  const items: string[] = [];
  let open = "";
  let text = "";
  let calls = 0;
  const close = (): void => {
    if (open !== "") items.push(`${open} ${text}`);
    open = text = "";
  };
  for (const one of list) {
    if (one.do !== "call") {
      if (one.do !== open) close();
      open = one.do;
      text += one.pieces.join("");
      continue;
    }
    close();
    const tool = all[one.tool % all.length]!;
    const args = argumentsOf(tool, one.value);
    const said = tool.kind === "custom" ? String(args.input) : JSON.stringify(args);
    items.push(`${tool.kind} ${tool.space}/${tool.name} call_${calls++} ${said}`);
  }
  close();
  // A turn says something or calls something.
  if (!items.some((item) => !item.startsWith("think"))) items.push("say ");
  return items;
}

function actualItems(output: readonly Rec[]): string[] {
  const parts = (value: unknown): string =>
    Array.isArray(value) ? value.map((part: Rec) => String(part.text)).join("") : "";
  return output.map((item) => {
    const named = `${item.namespace ?? null}/${item.name} ${item.call_id}`;
    switch (item.type) {
      case "message":
        return `say ${parts(item.content)}`;
      case "reasoning":
        return `think ${parts(item.summary)}${parts(item.content)}`;
      case "function_call":
        return `function ${named} ${item.arguments}`;
      case "custom_tool_call":
        return `custom ${named} ${item.input}`;
      default:
        return `tool_search null/tool_search ${item.call_id} ${JSON.stringify(item.arguments)}`;
    }
  });
}

/** What the client says next: its history with an output for each call. */
function nextInput(output: readonly Rec[]): Rec[] {
  const outputs = output.filter((item) => item.call_id !== undefined).map((item): Rec => {
    const { call_id } = item;
    if (item.type === "tool_search_call") {
      return { type: "tool_search_output", call_id, execution: "client", tools: [] };
    }
    const type = `${item.type}_output`;
    return { type, call_id, output: `result of ${call_id}` };
  });
  const user = { role: "user", content: "go on" };
  return [{ role: "user", content: "begin" }, ...output, ...outputs, user];
}

/** The messages that the upstream must get for it, folded from the acts alone. */
function expectedMessages(
  list: readonly Act[],
  all: readonly Tool[],
  names: readonly string[],
  reasoning: string | null,
): Rec[] {
  const said: string[] = [];
  const thought: string[] = [];
  const calls: Rec[] = [];
  const results: Rec[] = [];
  let before = "";
  for (const one of list) {
    if (one.do === "call") {
      const at = one.tool % all.length;
      const args = JSON.stringify(argumentsOf(all[at]!, one.value));
      results.push({
        role: "tool",
        content: all[at]!.kind === "tool_search"
          ? "No tools found."
          : `result of call_${calls.length}`,
      });
      calls.push({ name: names[at], arguments: args });
    } else {
      const into = one.do === "say" ? said : thought;
      const text = one.pieces.join("");
      if (before === one.do) into.push(into.pop() + text);
      else into.push(text);
    }
    before = one.do;
  }
  const user = (content: string): Rec => ({ role: "user", content });
  if (said.length === 0 && calls.length === 0) return [user("begin"), user("go on")];
  const assistant: Rec = { role: "assistant", content: said.join("\n\n") };
  if (reasoning !== null && thought.length > 0) assistant[reasoning] = thought.join("\n");
  if (calls.length > 0) assistant.tool_calls = calls;
  return [user("begin"), assistant, ...results, user("go on")];
}

/** The messages that it got, without ids, `null` and "" the same. */
function actualMessages(messages: readonly Rec[]): Rec[] {
  return messages.map(({ tool_call_id: _, tool_calls, ...rest }) => ({
    ...rest,
    content: rest.content ?? "",
    ...(tool_calls === undefined
      ? {}
      : { tool_calls: (tool_calls as { function: Rec }[]).map((one) => one.function) }),
  }));
}

const PROFILES: [name: string, reasoning: string | null, callId?: RegExp][] = [
  ["generic", "reasoning_content"],
  ["deepseek", "reasoning_content"],
  ["openrouter", "reasoning"],
  ["groq", "reasoning"],
  ["mistral", null, /^[A-Za-z0-9]{9}$/],
];

for (const [profile, reasoning, callId] of PROFILES) {
  Deno.test(`bridge round trip by ${profile}: what the model did is what the client gets and what the model is told`, async () => {
    await using upstream = await startUpstream();
    await using it = await startGateway({
      baseUrl: upstream.baseUrl,
      upstream: { profile },
      sealer: createSealer(parseSealKeys(generateSealKey("k"))),
    });
    let turns = 0;
    await fc.assert(
      fc.asyncProperty(
        tools,
        acts,
        manners,
        fc.boolean(),
        fc.boolean(),
        async (all, list, how, summary, sealed) => {
          upstream.requests.length = 0;
          let names: string[] = [];
          upstream.enqueue((request) => {
            names = upstreamNames(request, all.length);
            return answer(deltasOf(list, all, names, how), how);
          }, json(200, { choices: [{ message: { content: "ok" }, finish_reason: "stop" }] }));
          const body = {
            model: "up-model",
            tools: declared(all),
            ...(summary ? { reasoning: { summary: "auto" } } : {}),
            // A summary alone goes back only as our seal.
            store: !(sealed || summary),
          };
          const first = await it.post("/v1/responses", { ...body, input: "begin", stream: true });
          const events = await eventsOf(first);
          assertEquals(checkEvents(events), []);
          const response = finalResponse(events);
          assertEquals(checkResponse(response), []);
          assertEquals(response.status, "completed");
          const output = (response.output as unknown[]).filter(isRecord);
          assertEquals(actualItems(output), expectedItems(list, all));
          assert(isRecord(response.usage));
          assertEquals([response.usage.input_tokens, response.usage.output_tokens], [11, 7]);

          const second = await it.post("/v1/responses", { ...body, input: nextInput(output) });
          assertEquals(second.status, 200);
          await second.body?.cancel();
          const messages = upstream.requests[1]?.body.messages as Rec[];
          const rules = callId === undefined ? {} : { callId };
          assertEquals(historyFaults(messages, rules), []);
          assertEquals(actualMessages(messages), expectedMessages(list, all, names, reasoning));
          // What a profile does not send is not what this test is about.
          upstream.problems.splice(
            0,
            upstream.problems.length,
            ...upstream.problems
              .filter((problem) => !problem.includes("include_usage")),
          );
          assertEquals(upstream.problems, []);
          turns++;
        },
      ),
      { numRuns: 150 },
    );
    assert(turns >= 150);
  });
}
