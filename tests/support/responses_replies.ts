/** The words of a Responses stream as an upstream says them, and the answers that are made of them. @module */
import type { RawReply, Step } from "./raw_http.ts";
import type { Rec } from "./response_shape.ts";

/** A response object as the upstream tells it. */
export function upstreamResponse(over: Rec = {}): Rec {
  return {
    id: "resp_upstream",
    object: "response",
    created_at: 1_750_000_000,
    status: "in_progress",
    model: "upstream-model",
    output: [],
    usage: null,
    error: null,
    incomplete_details: null,
    tools: [],
    tool_choice: "auto",
    parallel_tool_calls: true,
    ...over,
  };
}

/** The usage object of the Responses API. */
export function responsesUsage(input = 11, output = 7, cached = 3, reasoning = 2): Rec {
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: cached },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: reasoning },
    total_tokens: input + output,
  };
}

/** Some events of one output item; `index` is its place. */
export type Item = (index: number) => { readonly events: Rec[]; readonly item: Rec };

/** A message of these deltas. */
export function message(...deltas: string[]): Item {
  return (output_index) => {
    const item_id = `msg_${output_index}`;
    const text = deltas.join("");
    const at = { item_id, output_index, content_index: 0 };
    const part = { type: "output_text", text, annotations: [], logprobs: [] };
    const base = { id: item_id, type: "message", role: "assistant" };
    const item = { ...base, status: "completed", content: [part] };
    return {
      item,
      events: [
        {
          type: "response.output_item.added",
          output_index,
          item: { ...base, status: "in_progress", content: [] },
        },
        { type: "response.content_part.added", ...at, part: { ...part, text: "" } },
        ...deltas.map((delta) => ({
          type: "response.output_text.delta",
          ...at,
          delta,
          logprobs: [],
        })),
        { type: "response.output_text.done", ...at, text, logprobs: [] },
        { type: "response.content_part.done", ...at, part },
        { type: "response.output_item.done", output_index, item },
      ],
    };
  };
}

/** A refusal. */
export function refusal(...deltas: string[]): Item {
  return (output_index) => {
    const item_id = `msg_${output_index}`;
    const text = deltas.join("");
    const at = { item_id, output_index, content_index: 0 };
    const item = {
      id: item_id,
      type: "message",
      role: "assistant",
      status: "completed",
      content: [{ type: "refusal", refusal: text }],
    };
    return {
      item,
      events: [
        {
          type: "response.output_item.added",
          output_index,
          item: { ...item, status: "in_progress", content: [] },
        },
        { type: "response.content_part.added", ...at, part: { type: "refusal", refusal: "" } },
        ...deltas.map((delta) => ({ type: "response.refusal.delta", ...at, delta })),
        { type: "response.refusal.done", ...at, refusal: text },
        { type: "response.content_part.done", ...at, part: item.content[0] },
        { type: "response.output_item.done", output_index, item },
      ],
    };
  };
}

/** A call of a function. */
export function functionCall(call_id: string, name: string, ...deltas: string[]): Item {
  return (output_index) => {
    const item_id = `fc_${output_index}`;
    const args = deltas.join("");
    const at = { item_id, output_index };
    const item = {
      id: item_id,
      type: "function_call",
      status: "completed",
      call_id,
      name,
      arguments: args,
    };
    return {
      item,
      events: [
        {
          type: "response.output_item.added",
          output_index,
          item: { ...item, status: "in_progress", arguments: "" },
        },
        ...deltas.map((delta) => ({
          type: "response.function_call_arguments.delta",
          ...at,
          delta,
        })),
        { type: "response.function_call_arguments.done", ...at, name, arguments: args },
        { type: "response.output_item.done", output_index, item },
      ],
    };
  };
}

/** A call of a custom tool. */
export function customCall(call_id: string, name: string, ...deltas: string[]): Item {
  return (output_index) => {
    const item_id = `ctc_${output_index}`;
    const input = deltas.join("");
    const at = { item_id, output_index };
    const item = {
      id: item_id,
      type: "custom_tool_call",
      status: "completed",
      call_id,
      name,
      input,
    };
    return {
      item,
      events: [
        {
          type: "response.output_item.added",
          output_index,
          item: { ...item, status: "in_progress", input: "" },
        },
        ...deltas.map((delta) => ({ type: "response.custom_tool_call_input.delta", ...at, delta })),
        { type: "response.custom_tool_call_input.done", ...at, input },
        { type: "response.output_item.done", output_index, item },
      ],
    };
  };
}

/** A sealed thought with a summary of these deltas. */
export function reasoning(...deltas: string[]): Item {
  return (output_index) => {
    const item_id = `rs_${output_index}`;
    const text = deltas.join("");
    const at = { item_id, output_index, summary_index: 0 };
    const item = {
      id: item_id,
      type: "reasoning",
      summary: [{ type: "summary_text", text }],
      encrypted_content: "gAAAA-sealed+/=",
    };
    return {
      item,
      events: [
        { type: "response.output_item.added", output_index, item: { ...item, summary: [] } },
        {
          type: "response.reasoning_summary_part.added",
          ...at,
          part: { type: "summary_text", text: "" },
        },
        ...deltas.map((delta) => ({ type: "response.reasoning_summary_text.delta", ...at, delta })),
        { type: "response.reasoning_summary_text.done", ...at, text },
        { type: "response.reasoning_summary_part.done", ...at, part: item.summary[0] },
        { type: "response.output_item.done", output_index, item },
      ],
    };
  };
}

/** All events of a response with these items; `over` changes its final object. */
export function eventsOfResponse(items: readonly Item[], over: Rec = {}): Rec[] {
  const made = items.map((item, i) => item(i));
  const response = upstreamResponse({
    status: "completed",
    output: made.map(({ item }) => item),
    usage: responsesUsage(),
    ...over,
  });
  const events: Rec[] = [
    { type: "response.created", response: upstreamResponse() },
    { type: "response.in_progress", response: upstreamResponse() },
    ...made.flatMap(({ events }) => events),
    { type: `response.${response.status}`, response },
  ];
  return events.map((event, sequence_number) => ({ ...event, sequence_number }));
}

/** One event of a stream. */
export function eventFrame(event: Rec): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

/** An answer of these steps. */
export function responsesSse(steps: Step[], over: Partial<RawReply> = {}): RawReply {
  return { status: 200, headers: { "content-type": "text/event-stream" }, steps, ...over };
}

/** A complete stream of these events, as OpenAI sends it: without `[DONE]`. */
export function responsesStream(events: readonly Rec[]): RawReply {
  return responsesSse(events.map(eventFrame));
}
