/** A stored response as the events of a stream, for a request that is sent again. @module */
import { EventWriter } from "../bridge/event_writer.ts";
import type { WholeEvent } from "../bridge/events.ts";
import type { MessagePart, OutputItem, ReasoningTextPart } from "../bridge/output_item.ts";
import type { ResponseObject, ResponseStatus } from "../bridge/response_object.ts";
import type { PartIndexName } from "../bridge/stream/sink.ts";

type WithoutNumber<T> = T extends unknown ? Omit<T, "sequence_number"> : never;
type Delta = Parameters<EventWriter["delta"]>[0]["type"];
type Part = MessagePart | ReasoningTextPart;

/** The bytes of the whole stream. Every text comes as one delta. */
export function replayedEvents(response: ResponseObject): Uint8Array<ArrayBuffer> {
  return new Replay().bytes(response);
}

class Replay {
  readonly #writer = new EventWriter();
  #sequence = 0;

  bytes(response: ResponseObject): Uint8Array<ArrayBuffer> {
    const begun: ResponseObject = {
      ...response,
      status: "in_progress",
      completed_at: null,
      error: null,
      incomplete_details: null,
      output: [],
      usage: null,
    };
    this.#emit({ type: "response.created", response: begun });
    this.#emit({ type: "response.in_progress", response: begun });
    response.output.forEach((item, index) => this.#item(item, index));
    this.#emit({ type: TERMINAL[response.status] ?? "response.failed", response });
    return this.#writer.flush() ?? new Uint8Array(0);
  }

  #item(item: OutputItem, output_index: number): void {
    this.#emit({ type: "response.output_item.added", output_index, item: opened(item) });
    const at = { item_id: item.id, output_index };
    switch (item.type) {
      case "message":
        item.content.forEach((part, i) => this.#part(part, { ...at, content_index: i }));
        break;
      case "reasoning":
        item.summary.forEach((part, i) => {
          const where = { ...at, summary_index: i };
          const empty = { ...part, text: "" };
          this.#emit({ type: "response.reasoning_summary_part.added", ...where, part: empty });
          this.#delta("response.reasoning_summary_text.delta", at, part.text, "summary_index", i);
          this.#emit({ type: "response.reasoning_summary_text.done", ...where, text: part.text });
          this.#emit({ type: "response.reasoning_summary_part.done", ...where, part });
        });
        item.content?.forEach((part, i) => this.#part(part, { ...at, content_index: i }));
        break;
      case "function_call": {
        const { name, arguments: args } = item;
        this.#delta("response.function_call_arguments.delta", at, args);
        this.#emit({
          type: "response.function_call_arguments.done",
          ...at,
          name,
          arguments: args,
        });
        break;
      }
      case "custom_tool_call":
        this.#delta("response.custom_tool_call_input.delta", at, item.input);
        this.#emit({ type: "response.custom_tool_call_input.done", ...at, input: item.input });
        break;
    }
    this.#emit({ type: "response.output_item.done", output_index, item });
  }

  #part(part: Part, at: { item_id: string; output_index: number; content_index: number }): void {
    const i = at.content_index;
    switch (part.type) {
      case "output_text": {
        const { text, logprobs } = part;
        const empty = { ...part, text: "", annotations: [], logprobs: [] };
        this.#emit({ type: "response.content_part.added", ...at, part: empty });
        this.#delta("response.output_text.delta", at, text, "content_index", i);
        this.#emit({ type: "response.output_text.done", ...at, text, logprobs });
        break;
      }
      case "refusal": {
        const { refusal } = part;
        const empty = { ...part, refusal: "" };
        this.#emit({ type: "response.content_part.added", ...at, part: empty });
        this.#delta("response.refusal.delta", at, refusal, "content_index", i);
        this.#emit({ type: "response.refusal.done", ...at, refusal });
        break;
      }
      case "reasoning_text": {
        const { text } = part;
        this.#emit({ type: "response.content_part.added", ...at, part: { ...part, text: "" } });
        this.#delta("response.reasoning_text.delta", at, text, "content_index", i);
        this.#emit({ type: "response.reasoning_text.done", ...at, text });
        break;
      }
    }
    this.#emit({ type: "response.content_part.done", ...at, part });
  }

  #delta(
    type: Delta,
    at: { item_id: string; output_index: number },
    text: string,
    partIndexName: PartIndexName = null,
    partIndex = 0,
  ): void {
    if (text === "") return;
    const channel = {
      type,
      itemId: at.item_id,
      outputIndex: at.output_index,
      partIndexName,
      partIndex,
    };
    this.#writer.delta(channel, this.#sequence++, text, []);
  }

  #emit(event: WithoutNumber<WholeEvent>): void {
    const { type, ...rest } = event;
    this.#writer.event(
      { type, sequence_number: this.#sequence++, ...rest } as unknown as WholeEvent,
    );
  }
}

type Terminal = "response.completed" | "response.incomplete" | "response.failed";

const TERMINAL: Readonly<Partial<Record<ResponseStatus, Terminal>>> = {
  completed: "response.completed",
  incomplete: "response.incomplete",
};

/** The item as it is announced: nothing in it yet. */
function opened(item: OutputItem): OutputItem {
  switch (item.type) {
    case "message":
      return { ...item, status: "in_progress", content: [] };
    case "reasoning": {
      const { content: _, encrypted_content: __, ...rest } = item;
      return { ...rest, status: "in_progress", summary: [] };
    }
    case "function_call":
      return { ...item, status: "in_progress", arguments: "" };
    case "custom_tool_call":
      return { ...item, status: "in_progress", input: "" };
    case "tool_search_call":
      return { ...item, status: "in_progress", arguments: {} };
    case "compaction":
      return item;
    default:
      return { ...item, status: "in_progress" };
  }
}
