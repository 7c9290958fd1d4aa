/** Schemas of the input items and tools of `POST /responses`. Unknown members of an item are let through. @module */
import * as z from "zod";
import type {
  ContentPart,
  InputItem,
  JsonObject,
  KnownInputItem,
  ResponsesTool,
} from "./responses_types.ts";

const text = z.string().nullish();
const flag = z.boolean().nullish();
const id = z.string().min(1).max(512);

/** The message of a fault in the branch for unknown types, when the type is a known one. */
export const KNOWN_TYPE = "is a known type";

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Objects that pass through untouched: zod would copy them, and lose a `__proto__` member. */
export const jsonObject: z.ZodType<JsonObject> = z.custom<JsonObject>(
  isObject,
  {
    error: (issue) => `expected an object, got ${nameOfType(issue.input)}`,
    params: { type: true },
  },
).meta({ type: "object" });

/** Any type that is not among the known ones. Aborts, so that a union reports the branch of the known types. */
function typeBeside(known: ReadonlySet<string>): z.ZodType<string> {
  return z.string().refine((type) => !known.has(type), { error: KNOWN_TYPE, abort: true });
}

/** What a value is, in words for a message. */
export function nameOfType(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  if (typeof value === "string") return "a string";
  return `a ${typeof value}`;
}

/** A part of a message or a tool output. */
export const ContentPartSchema: z.ZodType<ContentPart> = z.looseObject({
  type: z.string(),
  text,
  refusal: text,
  image_url: text,
  detail: text,
  file_id: text,
  file_data: text,
  file_url: text,
  filename: text,
  input_audio: z.looseObject({ data: z.string(), format: z.string() }).nullish(),
});

const content = z.union([z.string(), z.array(ContentPartSchema)]);
const texts = z.array(z.looseObject({ text: z.string() })).nullish();

const functionTool = z.looseObject({
  type: z.literal("function"),
  name: z.string().min(1),
  description: text,
  parameters: jsonObject.nullish(),
  strict: flag,
  defer_loading: flag,
});

const customTool = z.looseObject({
  type: z.literal("custom"),
  name: z.string().min(1),
  description: text,
  format: z.looseObject({ type: z.string(), syntax: text, definition: text }).nullish(),
  defer_loading: flag,
});

const knownTool = z.discriminatedUnion("type", [
  functionTool,
  customTool,
  z.looseObject({
    type: z.literal("namespace"),
    name: z.string().min(1),
    description: text,
    tools: z.array(z.discriminatedUnion("type", [functionTool, customTool])),
  }),
  z.looseObject({
    type: z.literal("tool_search"),
    execution: text,
    description: text,
    parameters: jsonObject.nullish(),
  }),
]);

const KNOWN_TOOLS = new Set(["function", "custom", "namespace", "tool_search"]);

/** An element of `tools`. */
export const ResponsesToolSchema: z.ZodType<ResponsesTool> = z.union([
  knownTool,
  z.looseObject({ type: typeBeside(KNOWN_TOOLS) }),
]);

const tools = z.array(ResponsesToolSchema);

const message = z.looseObject({
  type: z.literal("message").nullish(),
  role: z.enum(["user", "assistant", "system", "developer"]),
  content,
});

const knownItems = [
  message,
  z.looseObject({
    type: z.literal("function_call"),
    call_id: id,
    name: z.string().min(1),
    namespace: text,
    arguments: z.string(),
  }),
  z.looseObject({
    type: z.literal("custom_tool_call"),
    call_id: id,
    name: z.string().min(1),
    namespace: text,
    input: z.string(),
  }),
  z.looseObject({
    type: z.literal(["function_call_output", "custom_tool_call_output"]),
    call_id: id,
    output: content,
  }),
  z.looseObject({ type: z.literal("tool_search_call"), call_id: id.nullish(), execution: text }),
  z.looseObject({ type: z.literal("tool_search_output"), call_id: id.nullish(), tools }),
  z.looseObject({ type: z.literal("additional_tools"), tools }),
  z.looseObject({
    type: z.literal("reasoning"),
    summary: texts,
    content: texts,
    encrypted_content: text,
  }),
  z.looseObject({ type: z.literal("item_reference"), id }),
  z.looseObject({
    type: z.literal(["local_shell_call", "shell_call", "apply_patch_call"]),
    call_id: id,
    action: jsonObject.nullish(),
    operation: jsonObject.nullish(),
  }),
  z.looseObject({
    type: z.literal(["local_shell_call_output", "shell_call_output", "apply_patch_call_output"]),
    call_id: id.nullish(),
  }),
  z.looseObject({
    type: z.literal(["compaction", "compaction_summary"]),
    encrypted_content: text,
  }),
  z.looseObject({ type: z.literal("compaction_trigger") }),
] as const;

const KNOWN_ITEMS = new Set<string>(
  knownItems.flatMap((item) => [...(item._zod.propValues.type ?? [])].filter(isString)),
);

function isString(value: unknown): value is string {
  return typeof value === "string";
}

const knownItem: z.ZodType<KnownInputItem> = z.discriminatedUnion("type", [...knownItems]);

/** An element of `input`. A type that we do not know passes; the bridge says what becomes of it. */
export const InputItemSchema: z.ZodType<InputItem> = z.union([
  knownItem,
  z.looseObject({ type: typeBeside(KNOWN_ITEMS) }),
]);
