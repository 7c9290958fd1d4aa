/** Takes a leading `<think>...</think>` out of the text of models that have no field for reasoning. @module */

const OPEN = "<think>";
const CLOSE = "</think>";
/** White space before the tag. */
const MAX_HELD = 1024;

type State = "before" | "inside" | "after" | "text";

/** Where the two kinds of text go. */
export interface ThinkTarget {
  text(piece: string): void;
  reasoning(piece: string): void;
}

/**
 * Splits text that comes in pieces. Only a tag before any other text counts, so that an answer may speak about the tag;
 * white space around the block belongs to neither side.
 */
export class ThinkTags {
  readonly #target: ThinkTarget;
  #state: State = "before";
  #held = "";

  constructor(target: ThinkTarget) {
    this.#target = target;
  }

  push(piece: string): void {
    if (this.#state === "text") return this.#target.text(piece);
    const text = this.#held + piece;
    this.#held = "";
    if (this.#state === "before") this.#before(text);
    else if (this.#state === "inside") this.#inside(text);
    else this.#after(text);
  }

  /** Lets go of what was held back: nothing more of this text comes. */
  end(): void {
    const held = this.#held;
    this.#held = "";
    if (held === "") return;
    if (this.#state === "inside") this.#target.reasoning(held);
    else if (this.#state !== "after") this.#target.text(held);
    if (this.#state === "before") this.#state = "text";
  }

  #before(text: string): void {
    const begun = text.trimStart();
    if (begun.startsWith(OPEN)) {
      this.#state = "inside";
      this.#inside(begun.slice(OPEN.length));
    } else if (OPEN.startsWith(begun) && text.length < MAX_HELD) {
      this.#held = text;
    } else {
      this.#state = "text";
      this.#target.text(text);
    }
  }

  #inside(text: string): void {
    const at = text.indexOf(CLOSE);
    if (at >= 0) {
      if (at > 0) this.#target.reasoning(text.slice(0, at));
      this.#state = "after";
      this.#after(text.slice(at + CLOSE.length));
      return;
    }
    const keep = overlap(text, CLOSE);
    const ready = text.slice(0, text.length - keep);
    this.#held = text.slice(text.length - keep);
    if (ready !== "") this.#target.reasoning(ready);
  }

  #after(text: string): void {
    const rest = text.trimStart();
    if (rest === "") return;
    this.#state = "text";
    this.#target.text(rest);
  }
}

/** How many characters at the end of `text` begin `tag`. */
function overlap(text: string, tag: string): number {
  for (let length = Math.min(tag.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(tag.slice(0, length))) return length;
  }
  return 0;
}
