/** The items of a relayed response, so that none stays open when the upstream leaves in the middle. @module */
import { asFields, asText, type Fields } from "../chat_chunk.ts";

interface OpenItem {
  readonly item: Fields;
  readonly parts: Map<number, { part: Fields; text: string; done: boolean }>;
  args: string;
}

/** Follows which items are open and what they said. */
export class OpenItems {
  readonly #open: Map<number, OpenItem> = new Map();
  readonly #done: Map<number, unknown> = new Map();

  /** Takes an event that was passed on. */
  take(type: string, event: Fields): void {
    const index = event.output_index;
    if (typeof index !== "number") return;
    if (type === "response.output_item.added") {
      const item = asFields(event.item);
      if (item !== null) this.#open.set(index, { item, parts: new Map(), args: "" });
    } else if (type === "response.output_item.done") {
      this.#open.delete(index);
      this.#done.set(index, event.item);
    } else this.#inside(type, event, this.#open.get(index));
  }

  #inside(type: string, event: Fields, open: OpenItem | undefined): void {
    if (open === undefined) return;
    const at = typeof event.content_index === "number" ? event.content_index : 0;
    const part = asFields(event.part);
    if (type === "response.content_part.added" && part !== null) {
      open.parts.set(at, { part, text: "", done: false });
    } else if (type === "response.content_part.done" && part !== null) {
      open.parts.set(at, { part, text: textOf(part), done: true });
    } else if (type.endsWith("arguments.delta") || type.endsWith("input.delta")) {
      open.args += asText(event.delta);
    } else if (type.endsWith("text.delta") || type.endsWith("refusal.delta")) {
      const known = open.parts.get(at);
      if (known !== undefined && event.summary_index === undefined) {
        known.text += asText(event.delta);
      }
    }
  }

  /** Ends what is open as `incomplete`, in order, and gives the whole output. */
  close(write: (type: string, event: Fields) => void): unknown[] {
    for (const [output_index, open] of [...this.#open].sort(([a], [b]) => a - b)) {
      const item = { ...open.item, ...contentOf(open), status: "incomplete" };
      for (const [content_index, { part, text, done }] of open.parts) {
        if (done) continue;
        const ended = withText(part, text);
        const type = "response.content_part.done";
        const item_id = open.item.id;
        write(type, { type, item_id, output_index, content_index, part: ended });
      }
      const type = "response.output_item.done";
      write(type, { type, output_index, item });
      this.#done.set(output_index, item);
    }
    this.#open.clear();
    return [...this.#done].sort(([a], [b]) => a - b).map(([, item]) => item);
  }
}

function contentOf(open: OpenItem): Fields {
  const { item, parts, args } = open;
  if (item.type === "function_call") return { arguments: args || asText(item.arguments) };
  if (item.type === "custom_tool_call") return { input: args || asText(item.input) };
  if (parts.size === 0) return {};
  const ordered = [...parts].sort(([a], [b]) => a - b);
  return { content: ordered.map(([, { part, text }]) => withText(part, text)) };
}

function withText(part: Fields, text: string): Fields {
  return part.type === "refusal" ? { ...part, refusal: text } : { ...part, text };
}

function textOf(part: Fields): string {
  return asText(part.text) || asText(part.refusal);
}
