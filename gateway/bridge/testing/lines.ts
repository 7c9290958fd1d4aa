/** Events as short lines, so that a test can show a whole stream. @module */
import type { StreamEvent } from "../events.ts";
import type { OutputItem } from "../output_item.ts";
import type { ResponseObject } from "../response_object.ts";

/**
 * One line an event: its type without `response.`, its place (`o0 c0`), and what it carries. A wrong sequence number
 * shows in the line.
 */
export function lines(events: readonly StreamEvent[]): string[] {
  return events.map((event, n) => {
    const { type, sequence_number, ...rest } = event;
    const number = sequence_number === n ? "" : ` BAD SEQUENCE ${sequence_number}`;
    const words = Object.entries(rest).map(([key, value]) => word(key, value));
    return [type.replace(/^response\./, "") + number, ...words.filter((w) => w !== "")].join(" ");
  });
}

function word(key: string, value: unknown): string {
  switch (key) {
    case "output_index":
      return `o${value}`;
    case "content_index":
      return `c${value}`;
    case "summary_index":
      return `s${value}`;
    case "item_id":
      return String(value);
    case "logprobs":
      return Array.isArray(value) && value.length === 0 ? "" : JSON.stringify(value);
    case "response":
      return describeResponse(value as ResponseObject);
    case "item":
      return describeItem(value as OutputItem);
    case "part":
      return describePart(value as Part);
    default:
      return JSON.stringify(value);
  }
}

function describeResponse(response: ResponseObject): string {
  const output = response.output.map((item) => item.id).join(",");
  const why = response.error?.code ?? response.incomplete_details?.reason;
  return `[${output}]${why === undefined ? "" : ` ${why}`}`;
}

/** An item with everything that a client reads of it. */
export function describeItem(item: OutputItem): string {
  switch (item.type) {
    case "message":
      return `${item.id} ${item.status} [${item.content.map(describePart).join(" ")}]`;
    case "reasoning": {
      const parts = [...item.summary, ...(item.content ?? [])].map(describePart);
      const seal = item.encrypted_content === undefined ? "" : ` ${item.encrypted_content}`;
      return `${item.id} ${item.status} [${parts.join(" ")}]${seal}`;
    }
    case "compaction":
      return item.id;
    default: {
      const { id, type, status, call_id, ...rest } = item;
      return `${id} ${type} ${status} ${call_id} ${JSON.stringify(rest)}`;
    }
  }
}

type Part = { type: string; text?: string; refusal?: string };

function describePart(part: Part): string {
  return `${part.type} ${JSON.stringify(part.text ?? part.refusal)}`;
}
