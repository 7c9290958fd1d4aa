/** Parameters that an upstream refused: left out, or renamed, from then on. @module */
import type { ChatRequest } from "../bridge/chat.ts";
import type { UpstreamFailure } from "./retry.ts";

/** What can be left out without changing what the client asked for in substance, or what it may cost. */
const REMOVABLE: readonly string[] = [
  "stream_options",
  "parallel_tool_calls",
  "reasoning_effort",
  "tool_choice",
  "verbosity",
  "service_tier",
  "prompt_cache_key",
  "safety_identifier",
];

/** A cap on the output is never left out, only renamed. */
const CAPS = ["max_tokens", "max_completion_tokens"] as const;

const REFUSALS = [
  "unsupported",
  "not supported",
  "unknown",
  "unrecognized",
  "unexpected",
  "not permitted",
  "extra inputs",
  "extra fields",
  "not allowed",
  "does not support",
];

/** Complaints about the value of a parameter that is known. */
const TOO_LARGE = [
  "too large",
  "exceed",
  "maximum",
  "at most",
  "less than",
  "greater than",
  "range",
];

/** Parameters that one request may be sent again without. */
export const MAX_TRIED = 4;

/** What was learnt about the models of the configured upstreams, as long as the process lives. */
export class UnsupportedParameters {
  #byModel: Map<string, Set<string>> = new Map();

  /** The parameter of `chat` that this failure names as not supported, or `null`. */
  named(failure: UpstreamFailure, chat: ChatRequest): string | null {
    if (failure.kind !== "http" || (failure.status !== 400 && failure.status !== 422)) return null;
    const text = failure.body.toLowerCase();
    if (!REFUSALS.some((word) => text.includes(word))) return null;
    // Under its other name a value that is too large might be ignored, and the output not capped.
    const caps = TOO_LARGE.some((word) => text.includes(word)) ? [] : CAPS;
    for (const name of [...REMOVABLE, ...caps]) {
      if (chat[name] !== undefined && namesWord(text, name)) return name;
    }
    return null;
  }

  /** Remembers what a request did without and was served; except the second name of the cap, when the first is refused too: a request never goes out without one. */
  learn(upstream: string, model: string, parameter: string): void {
    const key = `${upstream}\n${model}`;
    const known = this.#byModel.get(key) ?? new Set();
    if (isCap(parameter) && CAPS.some((cap) => known.has(cap))) return;
    known.add(parameter);
    this.#byModel.set(key, known);
  }

  /** The request without what is known to be refused, and without what was `tried` to leave out. */
  apply(
    upstream: string,
    model: string,
    chat: ChatRequest,
    tried: ReadonlySet<string> = new Set(),
  ): ChatRequest {
    const known = this.#byModel.get(`${upstream}\n${model}`) ?? [];
    const cleaned: ChatRequest = { ...chat };
    for (const name of [...known, ...tried]) {
      if (cleaned[name] === undefined) continue;
      const value = cleaned[name];
      delete cleaned[name];
      if (name === CAPS[0]) cleaned[CAPS[1]] = value as number;
      if (name === CAPS[1]) cleaned[CAPS[0]] = value as number;
    }
    return cleaned;
  }
}

/** Whether it caps the output. */
export function isCap(name: string): boolean {
  return CAPS.some((cap) => cap === name);
}

/** Whether the name stands in the text as a word of its own: `max_tokens` is not in `my_max_tokens`. */
function namesWord(text: string, name: string): boolean {
  for (let at = text.indexOf(name); at !== -1; at = text.indexOf(name, at + 1)) {
    const before = text.charAt(at - 1);
    const after = text.charAt(at + name.length);
    if (!/[a-z0-9_]/.test(before) && !/[a-z0-9_]/.test(after)) return true;
  }
  return false;
}
