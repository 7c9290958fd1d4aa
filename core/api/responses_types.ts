/** The body of `POST /responses` and its input items, as types. What is checked is in `responses_items.ts`. @module */
/** A JSON object that we carry without looking into it. */
export type JsonObject = { [key: string]: unknown };

type Maybe<T> = T | null | undefined;

/** A part of a message or of a tool output. Fields depend on `type`; unknown types are kept. */
export interface ContentPart {
  type: string;
  text?: Maybe<string>;
  refusal?: Maybe<string>;
  image_url?: Maybe<string>;
  detail?: Maybe<string>;
  file_id?: Maybe<string>;
  file_data?: Maybe<string>;
  file_url?: Maybe<string>;
  filename?: Maybe<string>;
  input_audio?: Maybe<{ data: string; format: string }>;
}

/** A message of any role; `type` may be absent. */
export interface MessageItem {
  type?: Maybe<"message">;
  id?: unknown;
  role: "user" | "assistant" | "system" | "developer";
  content: string | ContentPart[];
}

/** A call of a function tool. */
export interface FunctionCallItem {
  type: "function_call";
  id?: unknown;
  call_id: string;
  name: string;
  namespace?: Maybe<string>;
  arguments: string;
}

/** A call of a freeform tool. */
export interface CustomToolCallItem {
  type: "custom_tool_call";
  id?: unknown;
  call_id: string;
  name: string;
  namespace?: Maybe<string>;
  input: string;
}

/** The answer to a function or custom call. */
export interface ToolOutputItem {
  type: "function_call_output" | "custom_tool_call_output";
  id?: unknown;
  call_id: string;
  output: string | ContentPart[];
}

/** The model looked for tools. */
export interface ToolSearchCallItem {
  type: "tool_search_call";
  id?: unknown;
  call_id?: Maybe<string>;
  execution?: Maybe<string>;
  arguments?: unknown;
}

/** What the search found. */
export interface ToolSearchOutputItem {
  type: "tool_search_output";
  id?: unknown;
  call_id?: Maybe<string>;
  tools: ResponsesTool[];
}

/** Tools that come with the input. */
export interface AdditionalToolsItem {
  type: "additional_tools";
  id?: unknown;
  tools: ResponsesTool[];
}

/** What the model thought. */
export interface ReasoningItem {
  type: "reasoning";
  id?: unknown;
  summary?: Maybe<{ text: string }[]>;
  content?: Maybe<{ text: string }[]>;
  encrypted_content?: Maybe<string>;
}

/** An item named by its id. */
export interface ItemReference {
  type: "item_reference";
  id: string;
}

/** A call of a typed built-in that the client runs. */
export interface BuiltInCallItem {
  type: "local_shell_call" | "shell_call" | "apply_patch_call";
  id?: unknown;
  call_id: string;
  action?: Maybe<JsonObject>;
  operation?: Maybe<JsonObject>;
}

/** The answer to a {@linkcode BuiltInCallItem}. */
export interface BuiltInOutputItem {
  type: "local_shell_call_output" | "shell_call_output" | "apply_patch_call_output";
  id?: unknown;
  call_id?: Maybe<string>;
  status?: unknown;
  output?: unknown;
}

/** A history that was cut down to a summary, sealed by us. */
export interface CompactionItem {
  type: "compaction" | "compaction_summary";
  id?: unknown;
  encrypted_content?: Maybe<string>;
}

/** Asks for a compaction; the last item. */
export interface CompactionTrigger {
  type: "compaction_trigger";
  id?: unknown;
}

/** Items that the bridge knows. */
export type KnownInputItem =
  | MessageItem
  | FunctionCallItem
  | CustomToolCallItem
  | ToolOutputItem
  | ToolSearchCallItem
  | ToolSearchOutputItem
  | AdditionalToolsItem
  | ReasoningItem
  | ItemReference
  | BuiltInCallItem
  | BuiltInOutputItem
  | CompactionItem
  | CompactionTrigger;

/** An item of a type that we do not know: kept, and judged by the bridge. */
export interface UnknownInputItem {
  type: string;
  [key: string]: unknown;
}

/** An element of `input`. */
export type InputItem = KnownInputItem | UnknownInputItem;

/** A function tool. */
export interface FunctionTool {
  type: "function";
  name: string;
  description?: Maybe<string>;
  parameters?: Maybe<JsonObject>;
  strict?: Maybe<boolean>;
  defer_loading?: Maybe<boolean>;
}

/** A freeform tool. */
export interface CustomTool {
  type: "custom";
  name: string;
  description?: Maybe<string>;
  format?: Maybe<{
    type: string;
    syntax?: Maybe<string>;
    definition?: Maybe<string>;
  }>;
  defer_loading?: Maybe<boolean>;
}

/** Tools under one name. */
export interface NamespaceTool {
  type: "namespace";
  name: string;
  description?: Maybe<string>;
  tools: (FunctionTool | CustomTool)[];
}

/** A search for tools that the client runs. */
export interface ToolSearchTool {
  type: "tool_search";
  execution?: Maybe<string>;
  description?: Maybe<string>;
  parameters?: Maybe<JsonObject>;
}

/** Tools that the bridge knows by their declaration. */
export type KnownTool = FunctionTool | CustomTool | NamespaceTool | ToolSearchTool;

/** A built-in, hosted or unknown tool. */
export interface OtherTool {
  type: string;
  [key: string]: unknown;
}

/** An element of `tools`. */
export type ResponsesTool = KnownTool | OtherTool;

/** An object form of `tool_choice`. */
export interface ToolChoiceObject {
  type: string;
  name?: Maybe<string>;
  namespace?: Maybe<string>;
  mode?: Maybe<"auto" | "required">;
  tools?: Maybe<{ type: string; name?: Maybe<string>; namespace?: Maybe<string> }[]>;
}

/** The shape that the text of the answer must have. */
export interface TextFormat {
  type: "text" | "json_object" | "json_schema";
  name?: Maybe<string>;
  description?: Maybe<string>;
  schema?: Maybe<JsonObject>;
  strict?: Maybe<boolean>;
}

/** `CreateResponse`. Every optional field may be null, which means absent. */
export interface ResponsesRequest {
  model: string;
  input?: Maybe<string | InputItem[]>;
  instructions?: Maybe<string>;
  max_output_tokens?: Maybe<number>;
  temperature?: Maybe<number>;
  top_p?: Maybe<number>;
  top_logprobs?: Maybe<number>;
  presence_penalty?: Maybe<number>;
  frequency_penalty?: Maybe<number>;
  tools?: Maybe<ResponsesTool[]>;
  tool_choice?: Maybe<"auto" | "none" | "required" | ToolChoiceObject>;
  parallel_tool_calls?: Maybe<boolean>;
  text?: Maybe<{ format?: Maybe<TextFormat>; verbosity?: Maybe<"low" | "medium" | "high"> }>;
  reasoning?: Maybe<{
    effort?: Maybe<"none" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max">;
    summary?: Maybe<"auto" | "concise" | "detailed" | "none">;
    generate_summary?: Maybe<"auto" | "concise" | "detailed" | "none">;
    context?: Maybe<"auto" | "current_turn" | "all_turns">;
  }>;
  truncation?: Maybe<"auto" | "disabled">;
  stream?: Maybe<boolean>;
  stream_options?: Maybe<JsonObject>;
  store?: Maybe<boolean>;
  previous_response_id?: Maybe<string>;
  metadata?: Maybe<{ [key: string]: string }>;
  include?: Maybe<string[]>;
  max_tool_calls?: Maybe<number>;
  service_tier?: Maybe<string>;
  user?: Maybe<string>;
  safety_identifier?: Maybe<string>;
  prompt_cache_key?: Maybe<string>;
  prompt_cache_retention?: Maybe<string>;
  prompt_cache_options?: Maybe<JsonObject>;
  client_metadata?: unknown;
  context_management?: unknown;
  conversation?: unknown;
  prompt?: unknown;
  background?: Maybe<boolean>;
  moderation?: unknown;
}
