/** Outputs that a client submits, held against the calls that wait for them. @module */
import { type Json, SynthError } from "@synth/core";
import type { InputItem, ResponsesTool, ToolOutputsRequest } from "@synth/core/api";
import type { CallItem, OutputItem } from "../bridge/output_item.ts";

/**
 * The output items, in the order of the calls.
 *
 * @throws {SynthError} 400 `unknown_tool_call`, `duplicate_tool_output`, `missing_tool_outputs` (the ids are in `missing`), `invalid_value`
 */
export function outputItems(
  calls: readonly CallItem[],
  outputs: ToolOutputsRequest["tool_outputs"],
): InputItem[] {
  const byId = new Map(calls.map((call) => [call.call_id, call]));
  const given = new Map<string, InputItem>();
  outputs.forEach(({ tool_call_id, call_id, output }, i) => {
    const at = `tool_outputs[${i}]`;
    const id = tool_call_id ?? call_id ?? null;
    if (id === null || (call_id && tool_call_id && call_id !== tool_call_id)) {
      throw invalid(`${at}.tool_call_id`, "Give the id of one call, as tool_call_id or call_id");
    }
    const call = byId.get(id);
    const shown = id.slice(0, 64);
    if (call === undefined) {
      throw new SynthError(`No call with id '${shown}' waits for an output`, {
        code: "unknown_tool_call",
        status: 400,
        param: `${at}.tool_call_id`,
      });
    }
    if (given.has(id)) {
      throw new SynthError(`There are two outputs for the call '${shown}'`, {
        code: "duplicate_tool_output",
        status: 400,
        param: `${at}.tool_call_id`,
      });
    }
    given.set(id, outputItem(call, output, `${at}.output`));
  });
  const missing = calls.map((call) => call.call_id).filter((id) => !given.has(id));
  if (missing.length > 0) {
    throw new SynthError(`These calls have no output: ${missing.slice(0, 16).join(", ")}`, {
      code: "missing_tool_outputs",
      status: 400,
      param: "tool_outputs",
      details: { missing: missing as Json },
    });
  }
  return calls.map((call) => given.get(call.call_id)!);
}

/** The calls of a response; none of them has an output yet. */
export function callsOf(output: readonly OutputItem[]): CallItem[] {
  return output.filter((item): item is CallItem => "call_id" in item);
}

/** The kind of output follows the kind of call. */
function outputItem(
  call: CallItem,
  output: ToolOutputsRequest["tool_outputs"][number]["output"],
  path: string,
): InputItem {
  const { call_id } = call;
  switch (call.type) {
    case "function_call":
      return { type: "function_call_output", call_id, output };
    case "custom_tool_call":
      return { type: "custom_tool_call_output", call_id, output };
    case "tool_search_call":
      return { type: "tool_search_output", call_id, tools: foundTools(output, path) };
    case "local_shell_call":
      return { type: "local_shell_call_output", call_id, output };
    case "shell_call":
      return { type: "shell_call_output", call_id, output };
    case "apply_patch_call":
      return { type: "apply_patch_call_output", call_id, status: "completed", output };
  }
}

/** A search gives tools: a JSON array of them, or an object with `tools`. */
function foundTools(output: unknown, path: string): ResponsesTool[] {
  let value: unknown;
  try {
    value = typeof output === "string" ? JSON.parse(output) : null;
  } catch {
    value = null;
  }
  const tools = Array.isArray(value) ? value : (value as { tools?: unknown } | null)?.tools;
  if (Array.isArray(tools)) return tools;
  throw invalid(path, "The output of a tool search is a JSON text: the array of the tools found");
}

function invalid(param: string, message: string): SynthError {
  return new SynthError(message, { code: "invalid_value", status: 400, param });
}
