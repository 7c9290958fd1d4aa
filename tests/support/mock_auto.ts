/**
 * `mock-auto`: a deterministic chat model, good enough for conformance suites. It calls a tool when the request speaks of one, fills a JSON schema,
 * remembers what it was told, keeps to its output cap and reports usage. It is no language model.
 *
 * @module
 */
import {
  call,
  delta,
  DONE,
  finish,
  frame,
  json,
  role,
  sse,
  text,
  usageOf,
} from "./chat_replies.ts";
import { completion } from "./chat_replies.ts";
import type { RawReply } from "./raw_http.ts";
import { isRecord, type Rec } from "./response_shape.ts";

interface Turn {
  reasoning: string;
  text: string;
  calls: { name: string; args: string }[];
}

const LONG =
  /\b(at length|in detail|long|story|essay|poem|count|list|explain|describe|paragraph)\b/i;

/** Answers a Chat Completions request. */
export function mockAuto(body: Rec): RawReply {
  const turn = think(body);
  const cap = Number(body.max_completion_tokens ?? body.max_tokens ?? Infinity);
  const words = untilStop(turn.text, body.stop).match(/\s*\S+/g) ?? [];
  const thoughts = turn.reasoning.match(/\s*\S+/g) ?? [];
  const reasoning = thoughts.slice(0, Math.max(0, cap - 1));
  const kept = words.slice(0, Math.max(0, cap - reasoning.length));
  const cut = kept.length < words.length || reasoning.length < thoughts.length;
  const reason = cut ? "length" : turn.calls.length > 0 ? "tool_calls" : "stop";
  const seen = Math.max(1, Math.ceil(JSON.stringify(body.messages ?? "").length / 4));
  const calls = (cut ? [] : turn.calls).map((c, n) => ({ ...c, id: `call_auto_${seen}_${n}` }));
  const produced = kept.length + reasoning.length +
    calls.reduce((sum, c) => sum + 2 + Math.ceil(c.args.length / 4), 0);
  const n = Number(body.n ?? 1);
  const usage = usageOf(seen, produced * n, 0, reasoning.length * n);
  const logprobs = body.logprobs === true ? kept.map((word) => logprob(word, body)) : null;
  if (body.stream !== true) {
    const message: Rec = { content: kept.length > 0 ? kept.join("") : null };
    if (reasoning.length > 0) message.reasoning_content = reasoning.join("");
    if (calls.length > 0) {
      message.tool_calls = calls.map(({ id, name, args }) => ({
        id,
        type: "function",
        function: { name, arguments: args },
      }));
    }
    const whole = completion(message, reason, usage);
    const choice = { ...records(whole.choices)[0], logprobs: logprobs && { content: logprobs } };
    return json(200, { ...whole, choices: indexed(n).map((index) => ({ ...choice, index })) });
  }
  const chunks: Rec[] = [role()];
  for (const piece of reasoning) chunks.push(delta({ reasoning_content: piece }));
  kept.forEach((piece, at) => chunks.push(withLogprobs(text(piece), logprobs?.[at])));
  calls.forEach(({ id, name, args }, index) => {
    chunks.push(call(index, "", id, name));
    for (let at = 0; at < args.length; at += 8) chunks.push(call(index, args.slice(at, at + 8)));
  });
  chunks.push(finish(reason));
  const sent = indexed(n).flatMap((index) =>
    chunks.map((chunk) => ({ ...chunk, choices: [{ ...records(chunk.choices)[0], index }] }))
  );
  const options = isRecord(body.stream_options) ? body.stream_options : {};
  const tail = options.include_usage === true ? [{ ...finish(reason), choices: [], usage }] : [];
  return sse([...sent, ...tail].map(frame).concat(DONE));
}

function indexed(n: number): number[] {
  return Array.from({ length: n }, (_, index) => index);
}

function untilStop(text: string, stop: unknown): string {
  const marks = (Array.isArray(stop) ? stop : [stop]).filter((mark) => typeof mark === "string");
  return marks.reduce((left, mark) => left.split(mark)[0] ?? "", text);
}

function logprob(token: string, body: Rec): Rec {
  const one = { token, logprob: -0.1, bytes: [...new TextEncoder().encode(token)] };
  return { ...one, top_logprobs: Number(body.top_logprobs ?? 0) > 0 ? [one] : [] };
}

function withLogprobs(chunk: Rec, entry: Rec | undefined): Rec {
  if (entry === undefined) return chunk;
  return { ...chunk, choices: [{ ...records(chunk.choices)[0], logprobs: { content: [entry] } }] };
}

function think(body: Rec): Turn {
  const messages = records(body.messages);
  const said = messages.filter((m) => m.role === "user").map((m) => textOf(m.content));
  const asked = said.at(-1) ?? "";
  const effort = body.reasoning_effort;
  const reasoning = effort === undefined || effort === "none" ? "" : "Let me think about it.";
  const last = messages.at(-1);
  const results = last?.role === "tool" ? trailingResults(messages) : [];
  const calls = results.length > 0 && body.tool_choice !== "required"
    ? []
    : chooseCalls(body, asked);
  if (calls.length > 0) return { reasoning, text: "", calls };
  return { reasoning, calls: [], text: compose(body, asked, said, results) };
}

function trailingResults(messages: Rec[]): string[] {
  const results: string[] = [];
  for (let n = messages.length - 1; messages[n]?.role === "tool"; n--) {
    results.unshift(textOf(messages[n]?.content));
  }
  return results;
}

function chooseCalls(body: Rec, asked: string): { name: string; args: string }[] {
  const choice = body.tool_choice ?? "auto";
  if (choice === "none") return [];
  const tools = records(body.tools)
    .map((tool) => tool.function)
    .filter(isRecord)
    .filter((fn) => !String(fn.name).startsWith("__"));
  const named = isRecord(choice) && isRecord(choice.function) ? choice.function.name : undefined;
  let chosen = tools.filter((fn) => named !== undefined ? fn.name === named : fits(fn, asked));
  if (chosen.length === 0 && (choice === "required" || named !== undefined)) {
    chosen = tools.slice(0, 1);
  }
  const first = chosen[0];
  if (first === undefined) return [];
  const places = [...asked.matchAll(/\b(?:in|for|and|of)\s+([A-Z]\w+(?: [A-Z]\w+)?)/g)]
    .map((m) => m[1] ?? "");
  const many = chosen.length === 1 && places.length > 1 && body.parallel_tool_calls !== false;
  if (many) {
    return places.map((place) => ({
      name: String(first.name),
      args: JSON.stringify(sample(first.parameters, `in ${place}`)),
    }));
  }
  const used = body.parallel_tool_calls === false ? [first] : chosen;
  return used.map((fn) => ({
    name: String(fn.name),
    args: JSON.stringify(sample(fn.parameters, asked)),
  }));
}

/** Whether the request speaks of the tool: a word of its name of four letters or more. */
function fits(fn: Rec, asked: string): boolean {
  const lower = asked.toLowerCase();
  return String(fn.name).toLowerCase().split(/[^a-z]+/)
    .some((word) => word.length > 3 && lower.includes(word));
}

function compose(body: Rec, asked: string, said: string[], results: string[]): string {
  const format = isRecord(body.response_format) ? body.response_format : {};
  if (format.type === "json_schema" && isRecord(format.json_schema)) {
    return JSON.stringify(sample(format.json_schema.schema, asked));
  }
  if (format.type === "json_object") return JSON.stringify({ answer: answer(asked, said) });
  if (results.length > 0) return `The tool says: ${results.join("; ")}`;
  return answer(asked, said);
}

function answer(asked: string, said: string[]): string {
  const quoted = /\b(?:exactly|only|just|say|repeat|reply|word)\b[^:"]*[:"]\s*"?([^"]+?)"?\s*$/i
    .exec(asked)?.[1];
  if (quoted !== undefined) return quoted;
  const sum = /(\d+)\s*([*x×+-])\s*(\d+)/.exec(asked);
  if (sum !== null) return String(calculate(Number(sum[1]), sum[2] ?? "+", Number(sum[3])));
  if (/capital of France/i.test(asked)) return "Paris";
  const name = said.map((s) => /my name is (\w+)/i.exec(s)?.[1]).find((n) => n !== undefined);
  if (name !== undefined && /name/i.test(asked)) return name;
  if (/\bimage|picture|photo|colou?r\b/i.test(asked)) return "The image shows one red heart.";
  if (LONG.test(asked)) {
    return Array.from({ length: 300 }, (_, n) => `word${n + 1}`).join(" ");
  }
  return `Hello there. You said: ${said.join(" | ").slice(-400)}`;
}

function calculate(a: number, op: string, b: number): number {
  if (op === "+") return a + b;
  return op === "-" ? a - b : a * b;
}

/** An instance of a JSON schema, with the words of the request where they fit. */
function sample(schema: unknown, asked: string, name = ""): unknown {
  if (!isRecord(schema)) return {};
  if (Array.isArray(schema.enum)) return schema.enum[0];
  if ("const" in schema) return schema.const;
  const options = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(options)) return sample(options[0], asked, name);
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  switch (type) {
    case "string":
      return sampleText(name, asked);
    case "integer":
    case "number":
      return Number(/\d+/.exec(asked)?.[0] ?? schema.minimum ?? 1);
    case "boolean":
      return true;
    case "null":
      return null;
    case "array": {
      const count = Math.max(1, Number(schema.minItems ?? 1));
      return Array.from({ length: count }, () => sample(schema.items, asked, name));
    }
    default: {
      const properties = isRecord(schema.properties) ? schema.properties : {};
      const required = Array.isArray(schema.required) ? schema.required : Object.keys(properties);
      return Object.fromEntries(
        required.map((key) => [String(key), sample(properties[String(key)], asked, String(key))]),
      );
    }
  }
}

function sampleText(name: string, asked: string): string {
  if (/city|location|place/i.test(name)) {
    return /\b(?:in|for|of)\s+([A-Z]\w+(?: [A-Z]\w+)?)/.exec(asked)?.[1] ?? "Paris";
  }
  const quoted = /["'`]([^"'`]+)["'`]/.exec(asked)?.[1];
  return quoted ?? (name === "" ? "text" : name);
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  return records(content).map((part) => typeof part.text === "string" ? part.text : "").join(" ");
}

function records(value: unknown): Rec[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}
