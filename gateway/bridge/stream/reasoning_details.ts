/** `reasoning_details` of one reasoning item, put together from their fragments. @module */
import type { Json } from "@synth/core";
import { type Fields, safeJson } from "../chat_chunk.ts";

const GROWING = new Set(["text", "summary", "data"]);

/** Collects details; fragments of one detail (same `index` and `type`) become one again. */
export class ReasoningDetails {
  readonly #details: Map<string, unknown>[] = [];

  push(detail: Fields): void {
    const last = this.#details.at(-1);
    const { index, type } = detail;
    const continues = last !== undefined && index !== undefined && last.get("index") === index &&
      last.get("type") === type;
    const target = continues ? last : new Map<string, unknown>();
    if (!continues) this.#details.push(target);
    for (const [key, value] of Object.entries(detail)) {
      const before = target.get(key);
      if (value === null && before !== undefined) continue;
      const grows = GROWING.has(key) && typeof before === "string" && typeof value === "string";
      target.set(key, grows ? before + value : value);
    }
  }

  /** The details, whole. */
  get list(): Json[] {
    return this.#details.map((detail) => safeJson(Object.fromEntries(detail)));
  }
}
