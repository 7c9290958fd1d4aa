/** A reasoning item: a summary part or a raw part, and our seal. @module */
import type { Fields } from "../chat_chunk.ts";
import type { ReasoningItem } from "../output_item.ts";
import type { SealedReasoning } from "../seal.ts";
import type { Emitter } from "./emitter.ts";
import { ReasoningDetails } from "./reasoning_details.ts";
import type { Segment } from "./segment.ts";
import { TextStream } from "./text_stream.ts";

/** What a model thought at one point of the turn. */
export class ReasoningSegment implements Segment {
  readonly kind = "reasoning";
  readonly hidden = false;
  readonly certain = true;
  readonly ready = true;
  readonly settled = true;
  readonly #details = new ReasoningDetails();
  #buffer = "";
  readonly #emitter: Emitter;
  #opened = false;
  #id = "";
  #outputIndex = 0;
  #stream: TextStream | null = null;

  constructor(emitter: Emitter) {
    this.#emitter = emitter;
  }

  get opened(): boolean {
    return this.#opened;
  }

  push(text: string): void {
    if (this.#opened) (this.#stream ?? this.#openPart()).push(text);
    else this.#buffer += text;
  }

  /** What the upstream wants back unchanged, such as signatures. */
  detail(detail: Fields): void {
    this.#details.push(detail);
  }

  open(): void {
    this.#opened = true;
    this.#id = this.#emitter.newId("rs_");
    this.#outputIndex = this.#emitter.announce({
      id: this.#id,
      type: "reasoning",
      status: "in_progress",
      summary: [],
    });
    if (this.#buffer !== "") this.push(this.#buffer);
    this.#buffer = "";
  }

  close(status: "completed" | "incomplete"): void {
    if (!this.#opened) return;
    const emitter = this.#emitter;
    const text = this.#closePart();
    const item: ReasoningItem = { id: this.#id, type: "reasoning", status, summary: [] };
    if (text !== null && emitter.plan.reasoning.as === "summary") {
      item.summary.push({ type: "summary_text", text });
    } else if (text !== null) {
      item.content = [{ type: "reasoning_text", text }];
    }
    const details = this.#details.list;
    const content: SealedReasoning = {
      kind: "reasoning",
      text: text ?? "",
      ...(details.length === 0 ? {} : { details }),
    };
    const sealed = emitter.seal(content);
    if (sealed !== undefined) item.encrypted_content = sealed;
    emitter.remember(item, content);
    emitter.conclude(this.#outputIndex, item);
  }

  #openPart(): TextStream {
    const emitter = this.#emitter;
    const at = { item_id: this.#id, output_index: this.#outputIndex };
    const summary = emitter.plan.reasoning.as === "summary";
    if (summary) {
      emitter.emit({
        type: "response.reasoning_summary_part.added",
        ...at,
        summary_index: 0,
        part: { type: "summary_text", text: "" },
      });
    } else {
      emitter.emit({
        type: "response.content_part.added",
        ...at,
        content_index: 0,
        part: { type: "reasoning_text", text: "" },
      });
    }
    this.#stream = new TextStream(emitter, {
      type: summary ? "response.reasoning_summary_text.delta" : "response.reasoning_text.delta",
      itemId: this.#id,
      outputIndex: this.#outputIndex,
      partIndexName: summary ? "summary_index" : "content_index",
      partIndex: 0,
    });
    return this.#stream;
  }

  #closePart(): string | null {
    if (this.#stream === null) return null;
    const emitter = this.#emitter;
    const text = this.#stream.end();
    const at = { item_id: this.#id, output_index: this.#outputIndex };
    if (emitter.plan.reasoning.as === "summary") {
      const here = { ...at, summary_index: 0 };
      emitter.emit({ type: "response.reasoning_summary_text.done", ...here, text });
      emitter.emit({
        type: "response.reasoning_summary_part.done",
        ...here,
        part: { type: "summary_text", text },
      });
    } else {
      const here = { ...at, content_index: 0 };
      emitter.emit({ type: "response.reasoning_text.done", ...here, text });
      emitter.emit({
        type: "response.content_part.done",
        ...here,
        part: { type: "reasoning_text", text },
      });
    }
    return text;
  }
}
