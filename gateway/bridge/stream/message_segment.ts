/** A message: parts of text and of refusal. @module */
import type { Json } from "@synth/core";
import type { MessageItem, MessagePart, OutputTextPart } from "../output_item.ts";
import type { Emitter } from "./emitter.ts";
import type { Segment } from "./segment.ts";
import { TextStream } from "./text_stream.ts";

interface Piece {
  refusal: boolean;
  text: string;
  logprobs: Json[];
}

interface OpenPart {
  refusal: boolean;
  index: number;
  stream: TextStream;
}

/** An assistant message of the turn. */
export class MessageSegment implements Segment {
  readonly kind = "message";
  readonly hidden = false;
  readonly certain = true;
  readonly ready = true;
  readonly settled = true;
  readonly #buffer: Piece[] = [];
  readonly #content: MessagePart[] = [];
  readonly #emitter: Emitter;
  #opened = false;
  #id = "";
  #outputIndex = 0;
  #part: OpenPart | null = null;

  constructor(emitter: Emitter) {
    this.#emitter = emitter;
  }

  get opened(): boolean {
    return this.#opened;
  }

  push(text: string, refusal: boolean, logprobs?: readonly Json[]): void {
    if (this.#opened) {
      let part = this.#part;
      if (part === null || part.refusal !== refusal) part = this.#openPart(refusal);
      part.stream.push(text, logprobs);
      return;
    }
    const last = this.#buffer.at(-1);
    if (last === undefined || last.refusal !== refusal) {
      this.#buffer.push({ refusal, text, logprobs: logprobs === undefined ? [] : [...logprobs] });
      return;
    }
    last.text += text;
    if (logprobs !== undefined) { for (const one of logprobs) last.logprobs.push(one); }
  }

  open(): void {
    this.#opened = true;
    this.#id = this.#emitter.newId("msg_");
    this.#outputIndex = this.#emitter.announce({
      id: this.#id,
      type: "message",
      status: "in_progress",
      role: "assistant",
      content: [],
    });
    for (const piece of this.#buffer.splice(0)) {
      this.push(piece.text, piece.refusal, piece.logprobs);
    }
  }

  close(status: "completed" | "incomplete"): void {
    if (!this.#opened) return;
    // A message without a part is no message to most clients.
    if (this.#part === null) this.#openPart(false);
    else this.#emitter.spokenMessages++;
    this.#closePart();
    const item: MessageItem = {
      id: this.#id,
      type: "message",
      status,
      role: "assistant",
      content: this.#content,
    };
    this.#emitter.conclude(this.#outputIndex, item);
  }

  #openPart(refusal: boolean): OpenPart {
    this.#closePart();
    const index = this.#content.length;
    this.#emitter.emit({
      type: "response.content_part.added",
      item_id: this.#id,
      output_index: this.#outputIndex,
      content_index: index,
      part: refusal ? { type: "refusal", refusal: "" } : textPart("", []),
    });
    const stream = new TextStream(this.#emitter, {
      type: refusal ? "response.refusal.delta" : "response.output_text.delta",
      itemId: this.#id,
      outputIndex: this.#outputIndex,
      partIndexName: "content_index",
      partIndex: index,
    });
    this.#part = { refusal, index, stream };
    return this.#part;
  }

  #closePart(): void {
    const part = this.#part;
    if (part === null) return;
    this.#part = null;
    const text = part.stream.end();
    const at = {
      item_id: this.#id,
      output_index: this.#outputIndex,
      content_index: part.index,
    };
    if (part.refusal) {
      this.#emitter.emit({ type: "response.refusal.done", ...at, refusal: text });
      this.#content.push({ type: "refusal", refusal: text });
    } else {
      const logprobs = part.stream.logprobs;
      this.#emitter.emit({ type: "response.output_text.done", ...at, text, logprobs });
      this.#content.push(textPart(text, logprobs));
    }
    const done = this.#content.at(-1) as MessagePart;
    this.#emitter.emit({ type: "response.content_part.done", ...at, part: done });
  }
}

function textPart(text: string, logprobs: Json[]): OutputTextPart {
  return { type: "output_text", text, annotations: [], logprobs };
}
