/** How a model says what it does: by tools, or as JSON. @module */
import type { FreeObject, OutputMode, StructuredOutputConfig } from "@synth/task-app";
import { type ChatMessage, jsonIn, type ModelAnswer } from "../shared/chat.ts";
import type { Action } from "./warehouse.ts";
import { DIRECTIONS } from "./world.ts";

/** An action, or why what the model sent is none. */
export type Intent = { readonly action: Action } | { readonly refused: string };

/** One action of an answer, with the call that has to be answered. */
export interface Move {
  readonly callId: string | null;
  readonly intent: Intent;
}

const NONE = { type: "object", properties: {}, additionalProperties: false };
const ITEM = {
  type: "object",
  properties: { item: { type: "string", description: "Its name, such as red mug" } },
  required: ["item"],
  additionalProperties: false,
};
const DIRECTION = {
  type: "object",
  properties: { direction: { type: "string", enum: [...DIRECTIONS] } },
  required: ["direction"],
  additionalProperties: false,
};

const TOOLS: { readonly [name in Action["tool"]]: readonly [description: string, schema: object] } =
  {
    look: ["Tells what is to be seen at this bay", NONE],
    read_order: ["Tells what has to be packed, and where the packing desk is", NONE],
    catalogue: ["Tells the aisle of an item", ITEM],
    move: ["Goes to the next bay", DIRECTION],
    pick: ["Takes an item of this bay, or the badge, into your hands", ITEM],
    put_down: ["Puts an item from your hands on this bay's shelf", ITEM],
    pack: ["At the packing desk: puts all from your hands into the box", NONE],
    unpack: ["At the packing desk: takes an item out of the box", ITEM],
    submit: ["At the packing desk: sends the box off, which ends the task", NONE],
  };

const RULES =
  `You work in a warehouse of bays, named by aisle and number. You see only the bay where \
you are. Find out what was ordered, fetch the items, pack them into the box at the packing desk, and \
submit the box with exactly what was ordered. You can carry two items at a time. Some items are in \
locked cages; a badge that hangs in some bay opens them all. Few actions are better than many.`;

/** How the conversation begins. */
export function opening(
  observation: string,
  mode: OutputMode,
  hint: unknown,
): ChatMessage[] {
  const how = mode === "tool_calls"
    ? "Act by calling tools."
    : `Answer with one JSON object and nothing else: {"tool": NAME, "arguments": {...}}. The tools:\n${
      Object.entries(TOOLS).map(([name, [description, schema]]) =>
        `${name}(${
          Object.keys(Reflect.get(schema, "properties") ?? {}).join(", ")
        }): ${description}`
      ).join("\n")
    }`;
  const more = typeof hint === "string" ? `\n\n${hint}` : "";
  return [
    { role: "system", content: `${RULES}\n\n${how}${more}` },
    { role: "user", content: observation },
  ];
}

/** Members of the chat request. */
export function requestOf(
  mode: OutputMode,
  toolChoice: unknown,
  structured: StructuredOutputConfig | null | undefined,
): FreeObject {
  if (mode === "text") return {};
  if (mode === "tool_calls") {
    return {
      tools: Object.entries(TOOLS).map(([name, [description, parameters]]) => ({
        type: "function",
        function: { name, description, parameters },
      })),
      tool_choice: toolChoice ?? "auto",
    };
  }
  const schema = {
    type: "object",
    properties: {
      tool: { type: "string", enum: Object.keys(TOOLS) },
      arguments: {
        type: "object",
        properties: {
          direction: { type: ["string", "null"], enum: [...DIRECTIONS, null] },
          item: { type: ["string", "null"] },
        },
        required: ["direction", "item"],
        additionalProperties: false,
      },
    },
    required: ["tool", "arguments"],
    additionalProperties: false,
  };
  return {
    response_format: {
      type: "json_schema",
      json_schema: {
        name: structured?.schema_name ?? "response",
        strict: structured?.strict ?? true,
        schema: structured?.schema ?? schema,
      },
    },
  };
}

/** What an answer does, in its order; empty when it does nothing. Whatever a model may send, this gives a list. */
export function movesIn(answer: ModelAnswer, mode: OutputMode): Move[] {
  if (mode === "tool_calls") {
    return answer.toolCalls.map(({ id, name, arguments: args }) => ({
      callId: id,
      intent: args === null
        ? { refused: "The arguments are no JSON object." }
        : intentOf(name, args),
    }));
  }
  const said = jsonIn(answer.text);
  if (said === null) return [];
  const args = own(said, "arguments");
  const intent = intentOf(own(said, "tool"), isObject(args) ? args : {});
  return [{ callId: null, intent }];
}

function intentOf(tool: unknown, args: object): Intent {
  const item = own(args, "item");
  const direction = own(args, "direction");
  switch (tool) {
    case "look":
    case "read_order":
    case "pack":
    case "submit":
      return { action: { tool } };
    case "move":
      return typeof direction === "string"
        ? { action: { tool, direction: direction.trim().toLowerCase() } }
        : { refused: "The tool move needs a direction." };
    case "catalogue":
    case "pick":
    case "put_down":
    case "unpack":
      return typeof item === "string"
        ? { action: { tool, item: item.trim().toLowerCase().slice(0, 100) } }
        : { refused: `The tool ${tool} needs an item.` };
    default:
      return { refused: `There is no such tool. There are ${Object.keys(TOOLS).join(", ")}.` };
  }
}

function own(value: object, name: string): unknown {
  return Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
