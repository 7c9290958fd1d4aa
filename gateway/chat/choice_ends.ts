/** Which choices of a Chat stream have ended, and how. @module */
import { asText, type Fields } from "../bridge/chat_chunk.ts";

/** Follows the choices of one stream. */
export class ChoiceEnds {
  readonly #asked: number;
  /** The first finish reason of each choice that was seen, by index; `null`: it goes on. */
  readonly #seen: Map<number, string | null> = new Map();
  /** A call came behind the finish reason of its choice: nobody can say whether it is whole. */
  #late = false;

  /** @param asked how many choices were asked for */
  constructor(asked: number) {
    this.#asked = asked;
  }

  /** The reason of the first choice, once all that were seen have ended; `null`: some go on. Not all upstreams know more than one. */
  get reason(): string | null {
    let first: string | null = null;
    for (const reason of this.#seen.values()) {
      if (reason === null) return null;
      first ??= reason;
    }
    return first;
  }

  /** Whether nothing of an answer can be missing. */
  get isOver(): boolean {
    return this.#seen.size >= this.#asked && this.reason !== null && !this.#late;
  }

  /** The indexes of the choices that go on. */
  get open(): number[] {
    for (let index = 0; this.#seen.size < this.#asked; index++) {
      if (!this.#seen.has(index)) this.#seen.set(index, null);
    }
    return [...this.#seen].filter(([, reason]) => reason === null).map(([index]) => index)
      .sort((a, b) => a - b);
  }

  /** Takes a choice of a chunk. @param calls whether it holds a piece of a call */
  take(choice: Fields, calls: boolean): void {
    const index = typeof choice.index === "number" ? choice.index : 0;
    const before = this.#seen.get(index) ?? null;
    if (before !== null && calls) this.#late = true;
    this.#seen.set(index, before ?? (asText(choice.finish_reason) || null));
  }
}
