/** The deltas of a choice put together to a message. @module */
import type { Json } from "@synth/core";
import { asFields, asText, type Fields } from "../chat_chunk.ts";
import type { ChatDelta } from "./chat_machine.ts";

type Plain = { [key: string]: Json };

const TEXTS = ["content", "refusal", "reasoning_content"] as const;

/** Collects what {@linkcode ChatMachine} makes. */
export class ChatMessageBuilder {
  readonly #texts: Map<string, string> = new Map();
  readonly #calls: Fields[] = [];
  readonly #annotations: Json[] = [];
  readonly #logprobs: Json[] = [];
  #legacy: { name: string; arguments: string } | null = null;

  /** Takes one delta. */
  add(delta: ChatDelta, logprobs: Json): void {
    for (const name of TEXTS) {
      const text = asText(delta[name]);
      if (text !== "") this.#texts.set(name, (this.#texts.get(name) ?? "") + text);
    }
    if (Array.isArray(delta.annotations)) this.#annotations.push(...delta.annotations);
    const tokens = asFields(logprobs)?.content;
    if (Array.isArray(tokens)) this.#logprobs.push(...tokens);
    for (const call of Array.isArray(delta.tool_calls) ? delta.tool_calls : []) {
      this.#call(asFields(call) ?? {});
    }
    const legacy = asFields(delta.function_call);
    if (legacy === null) return;
    this.#legacy ??= { name: asText(legacy.name), arguments: "" };
    this.#legacy.arguments += asText(legacy.arguments);
  }

  /** The message as it stands, and the log probabilities of its text. */
  get message(): { message: Plain; logprobs: Json } {
    const reasoning = this.#texts.get("reasoning_content");
    return {
      message: {
        role: "assistant",
        content: this.#texts.get("content") ?? null,
        refusal: this.#texts.get("refusal") ?? null,
        annotations: this.#annotations,
        ...(reasoning === undefined ? {} : { reasoning_content: reasoning }),
        ...(this.#calls.length === 0 ? {} : { tool_calls: this.#calls as Json[] }),
        ...(this.#legacy === null ? {} : { function_call: this.#legacy }),
      },
      logprobs: this.#logprobs.length === 0 ? null : { content: this.#logprobs, refusal: null },
    };
  }

  #call(delta: Fields): void {
    const { index, ...call } = delta;
    const known = this.#calls[Number(index)];
    if (known === undefined) {
      this.#calls.push(structuredClone(call));
      return;
    }
    for (const [kind, member] of [["function", "arguments"], ["custom", "input"]] as const) {
      const body = asFields(known[kind]);
      const more = asText(asFields(call[kind])?.[member]);
      if (body !== null && more !== "") body[member] = asText(body[member]) + more;
    }
  }
}
