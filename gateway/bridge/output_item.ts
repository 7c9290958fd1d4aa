/** The items of a response's `output`, as they go over the wire (bridge.md 8). @module */
import type { Json } from "@synth/core";

/** `in_progress` when announced; `incomplete` only for the last item of a response that did not complete. */
export type ItemStatus = "in_progress" | "completed" | "incomplete";

/** Text of a message. */
export interface OutputTextPart {
  type: "output_text";
  text: string;
  annotations: Json[];
  logprobs: Json[];
}

/** The model's refusal. */
export interface RefusalPart {
  type: "refusal";
  refusal: string;
}

/** Raw reasoning. */
export interface ReasoningTextPart {
  type: "reasoning_text";
  text: string;
}

/** A summary of reasoning. */
export interface SummaryTextPart {
  type: "summary_text";
  text: string;
}

/** A part of a message. */
export type MessagePart = OutputTextPart | RefusalPart;

/** What the assistant says. */
export interface MessageItem {
  id: string;
  type: "message";
  status: ItemStatus;
  role: "assistant";
  content: MessagePart[];
}

/** What the model thought, as a summary or as raw text, with our seal when it was asked for. */
export interface ReasoningItem {
  id: string;
  type: "reasoning";
  status: ItemStatus;
  summary: SummaryTextPart[];
  content?: ReasoningTextPart[];
  encrypted_content?: string;
}

/** A call of a declared function. `arguments` is always a JSON text, never an object. */
export interface FunctionCallItem {
  id: string;
  type: "function_call";
  status: ItemStatus;
  call_id: string;
  name: string;
  arguments: string;
  namespace?: string;
}

/** A call of a custom tool, whose input is free text. */
export interface CustomToolCallItem {
  id: string;
  type: "custom_tool_call";
  status: ItemStatus;
  call_id: string;
  name: string;
  input: string;
  namespace?: string;
}

/** A search for tools that the client runs itself. */
export interface ToolSearchCallItem {
  id: string;
  type: "tool_search_call";
  status: ItemStatus;
  call_id: string;
  execution: "client";
  arguments: { [key: string]: Json };
}

/** A command for the client's local shell. */
export interface LocalShellCallItem {
  id: string;
  type: "local_shell_call";
  status: ItemStatus;
  call_id: string;
  action: {
    type: "exec";
    command: string[];
    env: { [key: string]: string };
    timeout_ms?: number;
    working_directory?: string;
  };
}

/** Commands for the client's shell tool. */
export interface ShellCallItem {
  id: string;
  type: "shell_call";
  status: ItemStatus;
  call_id: string;
  action: { commands: string[]; timeout_ms: number | null; max_output_length: number | null };
  environment: null;
}

/** A change of one file for the client to make. */
export interface ApplyPatchCallItem {
  id: string;
  type: "apply_patch_call";
  status: ItemStatus;
  call_id: string;
  operation: { [key: string]: Json };
}

/** A sealed summary that stands for a conversation. Made by compaction, never by a model. */
export interface CompactionItem {
  id: string;
  type: "compaction";
  encrypted_content: string;
}

/** An item that asks the client to do something. */
export type CallItem =
  | FunctionCallItem
  | CustomToolCallItem
  | ToolSearchCallItem
  | LocalShellCallItem
  | ShellCallItem
  | ApplyPatchCallItem;

/** Any item of `output`. */
export type OutputItem = MessageItem | ReasoningItem | CallItem | CompactionItem;
