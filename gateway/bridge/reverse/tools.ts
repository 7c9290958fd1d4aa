/** Chat tools and tool choices as the Responses API has them. @module */
import type { Json } from "@synth/core";
import { asFields, asText, type Fields } from "../chat_chunk.ts";
import { invalid, noEquivalent } from "./refuse.ts";

type Plain = { [key: string]: Json };

/** The tools of a request, legacy `functions` included. Responses means strict where nothing is said, Chat does not. */
export function reverseTools(tools: unknown, functions: unknown): Plain[] {
  const list = listOf(tools, "tools").map((tool, i) => toolOf(tool, `tools[${i}]`));
  for (const [i, one] of listOf(functions, "functions").entries()) {
    list.push(functionTool(one, `functions[${i}]`));
  }
  return list;
}

/** `tool_choice`, or the legacy `function_call`; `undefined` when neither says anything. */
export function reverseChoice(choice: unknown, legacy: unknown): Json | undefined {
  if (choice === undefined || choice === null) {
    if (legacy === undefined || legacy === null) return undefined;
    if (legacy === "none" || legacy === "auto") return legacy;
    return { type: "function", name: nameOf(asFields(legacy), "function_call") };
  }
  if (choice === "none" || choice === "auto" || choice === "required") return choice;
  const fields = asFields(choice);
  if (fields?.type === "allowed_tools") {
    const allowed = asFields(fields.allowed_tools) ?? fields;
    const tools = listOf(allowed.tools, "tool_choice.tools");
    return {
      type: "allowed_tools",
      mode: allowed.mode === "required" ? "required" : "auto",
      tools: tools.map((tool) => named(asFields(tool))),
    };
  }
  return named(fields);
}

function named(choice: Fields | null): Plain {
  const type = choice?.type;
  if (type !== "function" && type !== "custom") {
    throw noEquivalent("tool_choice", "This tool choice");
  }
  return { type, name: nameOf(asFields(choice?.[type]) ?? choice, "tool_choice") };
}

function toolOf(tool: Fields, param: string): Plain {
  if (tool.type === "function") return functionTool(asFields(tool.function), param);
  if (tool.type === "custom") return customTool(asFields(tool.custom), param);
  throw noEquivalent(param, "A tool of this type");
}

function functionTool(given: Fields | null, param: string): Plain {
  const description = asText(given?.description);
  const parameters = asFields(given?.parameters) ?? { type: "object", properties: {} };
  return {
    type: "function",
    name: nameOf(given, param),
    ...(description === "" ? {} : { description }),
    parameters: parameters as Plain,
    strict: given?.strict === true,
  };
}

function customTool(given: Fields | null, param: string): Plain {
  const description = asText(given?.description);
  const format = asFields(given?.format);
  const grammar = format?.type === "grammar" ? asFields(format.grammar) ?? format : null;
  return {
    type: "custom",
    name: nameOf(given, param),
    ...(description === "" ? {} : { description }),
    ...(format === null ? {} : {
      format: grammar === null ? { type: "text" } : {
        type: "grammar",
        definition: asText(grammar.definition),
        syntax: asText(grammar.syntax),
      },
    }),
  };
}

function nameOf(given: Fields | null, param: string): string {
  const name = asText(given?.name);
  if (name === "") throw invalid(param, "A tool needs a name");
  return name;
}

/** An array of objects; nothing, when there is none. */
function listOf(value: unknown, param: string): Fields[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid(param, `${param} must be an array`);
  return value.map((one, i) => {
    const fields = asFields(one);
    if (fields === null) throw invalid(`${param}[${i}]`, `${param}[${i}] must be an object`);
    return fields;
  });
}
