/** Every event that a stream of ours can carry (bridge.md 9). No other type may go out: strict clients throw. @module */
import type { Json } from "@synth/core";
import type { MessagePart, OutputItem, ReasoningTextPart, SummaryTextPart } from "./output_item.ts";
import type { ResponseObject } from "./response_object.ts";

/** Starts at 0 and grows by one on every event, `error` and `keepalive` included. */
interface Numbered {
  sequence_number: number;
}

interface AtItem extends Numbered {
  item_id: string;
  output_index: number;
}

interface AtContent extends AtItem {
  content_index: number;
}

interface AtSummary extends AtItem {
  summary_index: number;
}

/** The life of the response itself. */
export interface ResponseEvent extends Numbered {
  type:
    | "response.created"
    | "response.in_progress"
    | "response.completed"
    | "response.incomplete"
    | "response.failed";
  response: ResponseObject;
}

/** An item begins or ends. */
export interface OutputItemEvent extends Numbered {
  type: "response.output_item.added" | "response.output_item.done";
  output_index: number;
  item: OutputItem;
}

/** A part of a message or of raw reasoning begins or ends. */
export interface ContentPartEvent extends AtContent {
  type: "response.content_part.added" | "response.content_part.done";
  part: MessagePart | ReasoningTextPart;
}

/** Some text. */
export interface OutputTextDeltaEvent extends AtContent {
  type: "response.output_text.delta";
  delta: string;
  logprobs: Json[];
}

/** All text of a part. */
export interface OutputTextDoneEvent extends AtContent {
  type: "response.output_text.done";
  text: string;
  logprobs: Json[];
}

/** Some of a refusal. */
export interface RefusalDeltaEvent extends AtContent {
  type: "response.refusal.delta";
  delta: string;
}

/** A whole refusal. */
export interface RefusalDoneEvent extends AtContent {
  type: "response.refusal.done";
  refusal: string;
}

/** Some arguments of a function call, or some input of a custom call. */
export interface CallDeltaEvent extends AtItem {
  type: "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta";
  delta: string;
}

/** All arguments of a function call. */
export interface FunctionArgumentsDoneEvent extends AtItem {
  type: "response.function_call_arguments.done";
  name: string;
  arguments: string;
}

/** All input of a custom call. */
export interface CustomInputDoneEvent extends AtItem {
  type: "response.custom_tool_call_input.done";
  input: string;
}

/** A summary part begins or ends. */
export interface SummaryPartEvent extends AtSummary {
  type: "response.reasoning_summary_part.added" | "response.reasoning_summary_part.done";
  part: SummaryTextPart;
}

/** Some of a summary. */
export interface SummaryDeltaEvent extends AtSummary {
  type: "response.reasoning_summary_text.delta";
  delta: string;
}

/** A whole summary part. */
export interface SummaryDoneEvent extends AtSummary {
  type: "response.reasoning_summary_text.done";
  text: string;
}

/** Some raw reasoning. */
export interface ReasoningDeltaEvent extends AtContent {
  type: "response.reasoning_text.delta";
  delta: string;
}

/** All raw reasoning of a part. */
export interface ReasoningDoneEvent extends AtContent {
  type: "response.reasoning_text.done";
  text: string;
}

/** An error of the upstream, in both shapes that clients read; `response.failed` always follows. */
export interface ErrorEvent extends Numbered {
  type: "error";
  code: string;
  message: string;
  param: string | null;
  error: { type: string; code: string; message: string; param: string | null };
}

/** Nothing happened, but the stream lives. */
export interface KeepaliveEvent extends Numbered {
  type: "keepalive";
}

/** An event that carries a piece of something longer. */
export type DeltaEvent =
  | OutputTextDeltaEvent
  | RefusalDeltaEvent
  | CallDeltaEvent
  | SummaryDeltaEvent
  | ReasoningDeltaEvent;

/** An event that is not a delta. */
export type WholeEvent =
  | ResponseEvent
  | OutputItemEvent
  | ContentPartEvent
  | OutputTextDoneEvent
  | RefusalDoneEvent
  | FunctionArgumentsDoneEvent
  | CustomInputDoneEvent
  | SummaryPartEvent
  | SummaryDoneEvent
  | ReasoningDoneEvent
  | ErrorEvent
  | KeepaliveEvent;

/** Any event of a stream. */
export type StreamEvent = WholeEvent | DeltaEvent;

/** Whether nothing may follow this event. */
export function isTerminal(event: StreamEvent): boolean {
  return event.type === "response.completed" || event.type === "response.incomplete" ||
    event.type === "response.failed";
}
