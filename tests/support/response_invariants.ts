/**
 * Says what is wrong with a Responses stream: the outside view of the bridge's law, written without a look at the implementation, slow and obvious.
 *
 * ```ts
 * const events = parseSseText(await response.text());
 * assertEquals(checkEvents(events), []);
 * ```
 *
 * @module
 */
import { checkResponse, deepEqual, isMessagePart, isRecord, type Rec } from "./response_shape.ts";

export { checkResponse } from "./response_shape.ts";
export { finalResponse, parseSseText } from "./sse_text.ts";

/** Events that carry the whole response object. */
const LIFECYCLE = new Set([
  "response.created",
  "response.in_progress",
  "response.completed",
  "response.incomplete",
  "response.failed",
]);
const TERMINAL = new Set(["response.completed", "response.incomplete", "response.failed"]);

/** Types of items that a client executes; their `call_id`s are unique. */
const CALLS = new Set([
  "function_call",
  "custom_tool_call",
  "tool_search_call",
  "local_shell_call",
  "shell_call",
  "apply_patch_call",
]);

/** Members that every event of a type has beside `type` and `sequence_number`. */
const REQUIRED: Record<string, string[]> = {
  "response.output_item.added": ["output_index", "item"],
  "response.output_item.done": ["output_index", "item"],
  "response.content_part.added": ["item_id", "output_index", "content_index", "part"],
  "response.content_part.done": ["item_id", "output_index", "content_index", "part"],
  "response.output_text.delta": ["item_id", "output_index", "content_index", "delta", "logprobs"],
  "response.output_text.done": ["item_id", "output_index", "content_index", "text", "logprobs"],
  "response.refusal.delta": ["item_id", "output_index", "content_index", "delta"],
  "response.refusal.done": ["item_id", "output_index", "content_index", "refusal"],
  "response.function_call_arguments.delta": ["item_id", "output_index", "delta"],
  "response.function_call_arguments.done": ["item_id", "output_index", "name", "arguments"],
  "response.custom_tool_call_input.delta": ["item_id", "output_index", "delta"],
  "response.custom_tool_call_input.done": ["item_id", "output_index", "input"],
  "response.reasoning_summary_part.added": ["item_id", "output_index", "summary_index", "part"],
  "response.reasoning_summary_part.done": ["item_id", "output_index", "summary_index", "part"],
  "response.reasoning_summary_text.delta": ["item_id", "output_index", "summary_index", "delta"],
  "response.reasoning_summary_text.done": ["item_id", "output_index", "summary_index", "text"],
  "response.reasoning_text.delta": ["item_id", "output_index", "content_index", "delta"],
  "response.reasoning_text.done": ["item_id", "output_index", "content_index", "text"],
};

/** For each text-like body: where its part lives and which member holds the final string. */
const BODIES: Record<string, { in: "content" | "summary"; part: string; member: string }> = {
  "response.output_text": { in: "content", part: "output_text", member: "text" },
  "response.refusal": { in: "content", part: "refusal", member: "refusal" },
  "response.reasoning_text": { in: "content", part: "reasoning_text", member: "text" },
  "response.reasoning_summary_text": { in: "summary", part: "summary_text", member: "text" },
};

interface OpenPart {
  in: "content" | "summary";
  index: number;
  type: string;
  deltas: string;
  text: string | null;
}

interface OpenItem {
  index: number;
  id: string;
  type: string;
  added: Rec;
  part: OpenPart | null;
  content: unknown[];
  summary: unknown[];
  deltas: string;
  done: string | null;
}

/**
 * Checks a whole stream, from the first event to the last, against bridge rules R1-R9 and the ordering grammar.
 *
 * @returns one line for each thing that is wrong; empty for a valid stream
 */
export function checkEvents(events: unknown[]): string[] {
  return new StreamChecker().run(events);
}

class StreamChecker {
  #problems: string[] = [];
  #at = "";
  #open: OpenItem | null = null;
  #items: Rec[] = [];
  #ids = new Set<string>();
  #callIds = new Set<string>();
  #first: Rec | null = null;
  #terminal: string | null = null;
  #lastError: number | null = null;

  run(events: unknown[]): string[] {
    events.forEach((event, n) => this.#event(event, n));
    this.#at = "end";
    const types = events.map((e) => isRecord(e) ? e.type : "").filter((t) => t !== "keepalive");
    if (types[0] !== "response.created") this.#say("the first event is not response.created");
    if (types[1] !== "response.in_progress") {
      this.#say("the second event is not response.in_progress");
    }
    if (this.#terminal === null) this.#say("no terminal event");
    return this.#problems;
  }

  #say(problem: string): void {
    this.#problems.push(`${this.#at}: ${problem}`);
  }

  #event(event: unknown, n: number): void {
    this.#at = `#${n}`;
    if (!isRecord(event)) return this.#say("not an object");
    const type = event.type;
    if (typeof type !== "string") return this.#say("no type");
    this.#at = `#${n} ${type}`;
    if (event.sequence_number !== n) {
      this.#say(`sequence_number is ${String(event.sequence_number)}, expected ${n}`);
    }
    if (this.#terminal !== null) return this.#say(`comes after ${this.#terminal}`);
    if (this.#lastError !== null && type !== "response.failed") {
      this.#say("an error event is followed by something else than response.failed");
    }
    if (type === "keepalive") return this.#only(event, []);
    if (type === "error") return this.#error(event, n);
    if (LIFECYCLE.has(type)) return this.#lifecycle(type, event, n);
    const required = Object.hasOwn(REQUIRED, type) ? REQUIRED[type] : undefined;
    if (required === undefined) return this.#say("unknown event type");
    if (this.#first === null) this.#say("comes before response.created");
    this.#only(event, required);
    if (type === "response.output_item.added") return this.#added(event);
    if (type === "response.output_item.done") return this.#done(event);
    this.#inside(type, event);
  }

  #only(event: Rec, keys: string[]): void {
    for (const key of keys) if (!(key in event)) this.#say(`lacks ${key}`);
    for (const key of Object.keys(event)) {
      if (key === "type" || key === "sequence_number" || keys.includes(key)) continue;
      if (key === "logprobs" || key === "status") continue;
      this.#say(`has the unknown member ${key}`);
    }
  }

  #error(event: Rec, n: number): void {
    this.#lastError = n;
    const nested = event.error;
    if (!isRecord(nested)) return this.#say("lacks the nested error");
    for (const key of ["code", "message", "param"]) {
      if (!(key in event) || !(key in nested)) this.#say(`lacks ${key} in one of both shapes`);
      if (event[key] !== nested[key]) this.#say(`${key} differs between both shapes`);
    }
    if (typeof event.message !== "string" || event.message === "") this.#say("empty message");
    if (typeof nested.type !== "string") this.#say("lacks error.type");
  }

  #lifecycle(type: string, event: Rec, n: number): void {
    this.#only(event, ["response"]);
    const response = event.response;
    for (const p of checkResponse(response)) this.#say(p);
    if (!isRecord(response)) return;
    const status = type.slice("response.".length);
    const expected = status === "created" ? "in_progress" : status;
    if (response.status !== expected) this.#say(`response.status is ${String(response.status)}`);
    if (type === "response.created") {
      if (n !== 0) this.#say("is not the first event");
      this.#first = response;
    }
    if (type === "response.in_progress" && n !== 1) this.#say("is not the second event");
    if (!TERMINAL.has(type)) {
      if (!deepEqual(response.output, [])) this.#say("output is not empty");
      if (response.usage !== null) this.#say("usage is not null");
    }
    this.#constant(response);
    if (TERMINAL.has(type)) this.#finish(type, response);
  }

  #constant(response: Rec): void {
    if (this.#first === null) return;
    const moving = ["status", "output", "usage", "error", "incomplete_details", "completed_at"];
    const keys = new Set([...Object.keys(response), ...Object.keys(this.#first)]);
    for (const key of keys) {
      if (moving.includes(key) || key === "service_tier") continue;
      if (!deepEqual(response[key], this.#first[key])) this.#say(`response.${key} has changed`);
    }
  }

  #finish(type: string, response: Rec): void {
    this.#terminal = type;
    // A call that was cut is never done, since clients execute what is: the response may then not be complete either.
    const cut = this.#open !== null && CALLS.has(this.#open.type) && type !== "response.completed";
    if (this.#open !== null && !cut) this.#say(`item ${this.#open.index} was never done`);
    const output = Array.isArray(response.output) ? response.output : [];
    const last = this.#items.at(-1);
    for (const item of this.#items) {
      if (item.status !== "incomplete") continue;
      if (item !== last) this.#say("an incomplete item is not the last one");
      if (type === "response.completed") this.#say("an incomplete item in a completed response");
    }
    // A call that was cut off may be withheld from the final list: nobody shall execute it.
    const withheld = last?.status === "incomplete" && CALLS.has(String(last.type));
    const shorter = withheld && output.length === this.#items.length - 1;
    const items = shorter ? this.#items.slice(0, -1) : this.#items;
    if (!deepEqual(output, items)) this.#say("output differs from the items that were done");
  }

  #added(event: Rec): void {
    const item = event.item;
    if (this.#open !== null) this.#say(`item ${this.#open.index} is still open`);
    if (event.output_index !== this.#items.length) {
      this.#say(`output_index ${String(event.output_index)}, expected ${this.#items.length}`);
    }
    if (!isRecord(item)) return this.#say("item is not an object");
    const { id, type } = item;
    if (typeof id !== "string" || id === "") return this.#say("item has no id");
    if (this.#ids.has(id)) this.#say(`id ${id} is announced twice`);
    this.#ids.add(id);
    if (type !== "compaction" && item.status !== "in_progress") {
      this.#say(`item.status is ${String(item.status)}`);
    }
    if (CALLS.has(String(type))) {
      const call = item.call_id;
      if (typeof call !== "string" || call === "") this.#say("item has no call_id");
      else if (this.#callIds.has(call)) this.#say(`call_id ${call} is used twice`);
      else this.#callIds.add(call);
    }
    this.#empty(item);
    this.#open = {
      index: Number(event.output_index),
      id,
      type: String(type),
      added: item,
      part: null,
      content: [],
      summary: [],
      deltas: "",
      done: null,
    };
  }

  #empty(item: Rec): void {
    const expected: Record<string, [string, unknown]> = {
      message: ["content", []],
      reasoning: ["summary", []],
      function_call: ["arguments", ""],
      custom_tool_call: ["input", ""],
      tool_search_call: ["arguments", {}],
    };
    const rule = expected[String(item.type)];
    if (rule !== undefined && !deepEqual(item[rule[0]], rule[1])) {
      this.#say(`item.${rule[0]} is not empty at the start`);
    }
    if (item.type === "reasoning" && item.content !== undefined && !deepEqual(item.content, [])) {
      this.#say("item.content is not empty at the start");
    }
  }

  #done(event: Rec): void {
    const open = this.#open;
    const item = event.item;
    if (open === null) return this.#say("no item is open");
    this.#open = null;
    if (!isRecord(item)) return this.#say("item is not an object");
    this.#items.push(item);
    if (event.output_index !== open.index) this.#say("output_index differs from the added one");
    for (const key of ["id", "type", "call_id", "name", "namespace", "role", "execution"]) {
      if (!deepEqual(item[key], open.added[key])) this.#say(`item.${key} differs from added`);
    }
    if (open.part !== null) this.#say("a part is still open");
    if (open.type === "message") this.#parts(item.content, open.content, "content");
    if (open.type === "reasoning") {
      this.#parts(item.summary, open.summary, "summary");
      this.#parts(item.content ?? [], open.content, "content");
    }
    if (open.type === "message" && open.content.length === 0) this.#say("message without a part");
    if (open.type === "function_call") this.#string(item.arguments, open, "arguments");
    if (open.type === "custom_tool_call") this.#string(item.input, open, "input");
  }

  #parts(actual: unknown, seen: unknown[], where: string): void {
    if (!deepEqual(actual, seen)) this.#say(`item.${where} differs from the parts that were done`);
  }

  #string(actual: unknown, open: OpenItem, where: string): void {
    if (open.done === null) this.#say(`no ${where}.done before the item was done`);
    else if (actual !== open.done) this.#say(`item.${where} differs from its done event`);
  }

  #inside(type: string, event: Rec): void {
    const open = this.#open;
    if (open === null) return this.#say("no item is open");
    if (event.item_id !== open.id) this.#say(`item_id ${String(event.item_id)} is not ${open.id}`);
    if (event.output_index !== open.index) {
      this.#say(`output_index ${String(event.output_index)} is not ${open.index}`);
    }
    if ("delta" in event && (typeof event.delta !== "string" || event.delta === "")) {
      this.#say("delta is not a non-empty string");
    }
    if (type.startsWith("response.function_call_arguments.")) {
      return this.#callBody(type, event, open, "function_call", "arguments");
    }
    if (type.startsWith("response.custom_tool_call_input.")) {
      return this.#callBody(type, event, open, "custom_tool_call", "input");
    }
    if (type === "response.content_part.added") return this.#partAdded(event, open, "content");
    if (type === "response.content_part.done") return this.#partDone(event, open, "content");
    if (type === "response.reasoning_summary_part.added") {
      return this.#partAdded(event, open, "summary");
    }
    if (type === "response.reasoning_summary_part.done") {
      return this.#partDone(event, open, "summary");
    }
    this.#partBody(type, event, open);
  }

  #callBody(type: string, event: Rec, open: OpenItem, kind: string, member: string): void {
    if (open.type !== kind) this.#say(`inside an item of type ${open.type}`);
    if (open.done !== null) this.#say("the body is done already");
    if (type.endsWith(".delta")) {
      open.deltas += String(event.delta);
      return;
    }
    open.done = String(event[member]);
    if (event[member] !== open.deltas) this.#say(`${member} differs from the deltas`);
    if (kind === "function_call" && event.name !== open.added.name) this.#say("name differs");
  }

  #partAdded(event: Rec, open: OpenItem, where: "content" | "summary"): void {
    const index = Number(event[`${where}_index`]);
    if (open.part !== null) this.#say("a part is still open");
    if (index !== open[where].length) {
      this.#say(`${where}_index ${index}, expected ${open[where].length}`);
    }
    const part = event.part;
    if (!isRecord(part)) return this.#say("part is not an object");
    const type = String(part.type);
    if (open.type === "message" && !isMessagePart(part)) this.#say("the part lacks a member");
    const legal: Record<string, string[]> = {
      "message.content": ["output_text", "refusal"],
      "reasoning.content": ["reasoning_text"],
      "reasoning.summary": ["summary_text"],
    };
    if (!(legal[`${open.type}.${where}`] ?? []).includes(type)) {
      this.#say(`a ${type} part in the ${where} of a ${open.type}`);
    }
    if (part[type === "refusal" ? "refusal" : "text"] !== "") {
      this.#say("the part is not empty at the start");
    }
    open.part = { in: where, index, type, deltas: "", text: null };
  }

  #partBody(type: string, event: Rec, open: OpenItem): void {
    const body = BODIES[type.slice(0, type.lastIndexOf("."))];
    const part = open.part;
    if (body === undefined) return this.#say("unknown body");
    if (part === null) return this.#say("no part is open");
    if (body.part !== part.type || body.in !== part.in) this.#say(`inside a ${part.type} part`);
    if (event[`${body.in}_index`] !== part.index) this.#say(`${body.in}_index differs`);
    if ("logprobs" in event && !Array.isArray(event.logprobs)) this.#say("logprobs is no array");
    if (part.text !== null) this.#say("the text is done already");
    if (type.endsWith(".delta")) {
      part.deltas += String(event.delta);
      return;
    }
    part.text = String(event[body.member]);
    if (event[body.member] !== part.deltas) this.#say(`${body.member} differs from the deltas`);
  }

  #partDone(event: Rec, open: OpenItem, where: "content" | "summary"): void {
    const part = open.part;
    open.part = null;
    if (part === null) return this.#say("no part is open");
    if (part.in !== where || event[`${where}_index`] !== part.index) {
      this.#say(`${where}_index differs from the added one`);
    }
    if (!isRecord(event.part)) return this.#say("part is not an object");
    if (event.part.type !== part.type) this.#say("the part's type has changed");
    if (part.text === null) this.#say("the part ends without its text.done");
    const text = event.part[part.type === "refusal" ? "refusal" : "text"];
    if (text !== part.text) this.#say("the part's text differs from its done event");
    open[where].push(event.part);
  }
}
