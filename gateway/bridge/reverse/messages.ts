/** Chat messages as input items of the Responses API (bridge.md 13). @module */
import type { Json } from "@synth/core";
import { asFields, asText, type Fields } from "../chat_chunk.ts";
import { invalid, noEquivalent } from "./refuse.ts";
import type { InputItem } from "./responses_body.ts";

/** A history for the Responses API. */
export interface ReversedMessages {
  /** The system text that stands before everything else. */
  readonly instructions: string | null;
  readonly input: InputItem[];
  /** What was left out: thoughts, for only the upstream's own sealed reasoning can go back to it, and members that there are no words for. */
  readonly ignored: readonly string[];
}

/** Members of messages that are read, or say nothing to a model. */
const READ: ReadonlySet<string> = new Set([
  "role",
  "content",
  "refusal",
  "tool_calls",
  "tool_call_id",
  "function_call",
  "audio",
  "annotations",
]);
const THOUGHTS: ReadonlySet<string> = new Set([
  "reasoning_content",
  "reasoning",
  "reasoning_details",
]);
/** As many as are told. */
const MAX_IGNORED = 32;

/** Translates a history, in one pass. @throws {SynthError} 400 that names the part which cannot be carried */
export function reverseMessages(messages: readonly Fields[]): ReversedMessages {
  const history = new History();
  messages.forEach((message, i) => history.add(message, `messages[${i}]`));
  const { leading, input, ignored } = history;
  return {
    instructions: leading.length === 0 ? null : leading.join("\n\n"),
    input,
    ignored: [...ignored],
  };
}

class History {
  readonly leading: string[] = [];
  readonly input: InputItem[] = [];
  readonly ignored: Set<string> = new Set();
  /** Calls of custom tools: their outputs are of another kind. */
  readonly #custom: Set<string> = new Set();
  /** Call ids that were made up for legacy calls, by name; their outputs name the function only. */
  readonly #legacy: Map<string, string> = new Map();

  add(message: Fields, param: string): void {
    this.#declare(message);
    switch (message.role) {
      case "system":
      case "developer":
        return this.#system(message, param);
      case "user":
        return this.#push("user", inputParts(message.content, param));
      case "assistant":
        return this.#assistant(message, param);
      case "tool":
        return this.#output(asText(message.tool_call_id), message.content, param);
      case "function":
        return this.#output(this.#legacy.get(asText(message.name)) ?? "", message.content, param);
      default:
        throw invalid(`${param}.role`, `${param}.role is none of Chat Completions`);
    }
  }

  #declare(message: Fields): void {
    for (const [member, value] of Object.entries(message)) {
      if (READ.has(member) || isEmpty(value) || this.ignored.size >= MAX_IGNORED) continue;
      // Outputs belong to a call, whose name they repeat.
      if (member === "name" && (message.role === "tool" || message.role === "function")) continue;
      const isThought = message.role === "assistant" && THOUGHTS.has(member);
      this.ignored.add(isThought ? "reasoning_content" : `messages.${member}`);
    }
  }

  #system(message: Fields, param: string): void {
    const parts = inputParts(message.content, param);
    const text = parts.map((part) => asText(part.text)).join("");
    if (this.input.length === 0 && parts.every((part) => part.type === "input_text")) {
      if (text !== "") this.leading.push(text);
    } else this.#push("developer", parts);
  }

  #assistant(message: Fields, param: string): void {
    if (asFields(message.audio) !== null) throw noEquivalent(`${param}.audio`, "Spoken history");
    const parts = outputParts(message, param);
    if (parts.length > 0) this.#push("assistant", parts);
    const calls = Array.isArray(message.tool_calls) ? message.tool_calls : [];
    calls.forEach((call, i) => this.#call(asFields(call), `${param}.tool_calls[${i}]`));
    const legacy = asFields(message.function_call);
    if (legacy === null) return;
    const name = asText(legacy.name);
    const call_id = `call_legacy_${this.input.length}`;
    this.#legacy.set(name, call_id);
    this.input.push({
      type: "function_call",
      call_id,
      name,
      arguments: asText(legacy.arguments),
    });
  }

  #call(call: Fields | null, param: string): void {
    const call_id = asText(call?.id);
    const custom = asFields(call?.custom);
    const fn = asFields(call?.function);
    const name = asText((custom ?? fn)?.name);
    if (call_id === "" || name === "") throw invalid(param, "A call needs an id and a name");
    if (custom !== null) {
      this.#custom.add(call_id);
      this.input.push({ type: "custom_tool_call", call_id, name, input: asText(custom.input) });
    } else {
      this.input.push({ type: "function_call", call_id, name, arguments: asText(fn?.arguments) });
    }
  }

  #output(call_id: string, content: unknown, param: string): void {
    if (call_id === "") throw invalid(param, `${param} answers no call`);
    const type = this.#custom.has(call_id) ? "custom_tool_call_output" : "function_call_output";
    const parts = inputParts(content, param);
    const output = parts.every((part) => part.type === "input_text")
      ? parts.map((part) => asText(part.text)).join("")
      : parts;
    this.input.push({ type, call_id, output });
  }

  #push(role: string, content: InputItem[]): void {
    this.input.push({ type: "message", role, content });
  }
}

/** What the model said: text and refusals. */
function outputParts(message: Fields, param: string): InputItem[] {
  const { content } = message;
  const parts: InputItem[] = [];
  const given = [
    ...Array.isArray(content) ? content : [{ type: "text", text: asText(content) }],
    { type: "refusal", refusal: message.refusal },
  ];
  given.forEach((one, i) => {
    const part = asFields(one);
    if (part?.type === "text") {
      if (asText(part.text) !== "") parts.push({ type: "output_text", text: asText(part.text) });
    } else if (part?.type === "refusal") {
      const refusal = asText(part.refusal);
      if (refusal !== "") parts.push({ type: "refusal", refusal });
    } else throw noEquivalent(`${param}.content[${i}]`, "A part of this type");
  });
  return parts;
}

function inputParts(content: unknown, param: string): InputItem[] {
  if (typeof content === "string") return [{ type: "input_text", text: content }];
  if (content === null || content === undefined) return [{ type: "input_text", text: "" }];
  if (!Array.isArray(content)) throw invalid(`${param}.content`, `${param}.content is no content`);
  return content.map((part, i) => inputPart(asFields(part), `${param}.content[${i}]`));
}

function inputPart(part: Fields | null, param: string): InputItem {
  switch (part?.type) {
    case "text":
      return { type: "input_text", text: asText(part.text) };
    case "image_url": {
      const image = asFields(part.image_url);
      const url = asText(image?.url ?? part.image_url);
      if (url === "") throw invalid(param, "An image needs a url");
      return { type: "input_image", image_url: url, detail: asText(image?.detail) || "auto" };
    }
    case "file": {
      const file = asFields(part.file) ?? {};
      // The upstream's one account serves all orgs: an id would work for whoever knows it.
      if (asText(file.file_id) !== "") throw noEquivalent(param, "A file_id");
      if (typeof file.file_data !== "string") throw invalid(param, "A file needs file_data");
      const members = ["filename", "file_data"] as const;
      const given = members.filter((name) => typeof file[name] === "string");
      return Object.fromEntries([
        ["type", "input_file"],
        ...given.map((name): [string, Json] => [name, file[name] as string]),
      ]);
    }
    case "input_audio":
      throw noEquivalent(param, "Audio");
    default:
      throw noEquivalent(param, "A part of this type");
  }
}

function isEmpty(value: unknown): boolean {
  return value === null || value === undefined || value === "" ||
    (Array.isArray(value) && value.length === 0);
}
