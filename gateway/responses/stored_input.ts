/** A turn's input as it is stored: every item with an id, references replaced by what they name. @module */
import type { ContentPart, InputItem, MessageItem, ResponsesRequest } from "@synth/core/api";
import { resolveReferences } from "../bridge/items/references.ts";
import { itemIds } from "./response_ids.ts";

/** Prefixes of ids by the type of the item. */
const PREFIXES: ReadonlyMap<string, string> = new Map([
  ["message", "msg_"],
  ["reasoning", "rs_"],
  ["function_call", "fc_"],
  ["function_call_output", "fco_"],
  ["custom_tool_call", "ctc_"],
  ["custom_tool_call_output", "ctco_"],
  ["tool_search_call", "tsc_"],
  ["tool_search_output", "tso_"],
  ["compaction", "cmp_"],
]);
/** Ids of input items are counted from here: those of output items from 0. */
const FIRST = 32 ** 3 * 16;

/** The input as a list of items. */
export function inputItems(body: ResponsesRequest): readonly InputItem[] {
  if (typeof body.input !== "string") return body.input ?? [];
  return body.input === "" ? [] : [{ role: "user", content: body.input }];
}

/** What is kept of the input of the response with this id. */
export function storedInput(
  body: ResponsesRequest,
  references: ReadonlyMap<string, InputItem>,
  responseId: string,
): InputItem[] {
  const newId = itemIds(responseId, FIRST);
  const seen = new Set<unknown>();
  return resolveReferences(inputItems(body), references).map((item) => {
    const whole = item.type === undefined || item.type === null || item.type === "message"
      ? wholeMessage(item as MessageItem)
      : item;
    const given = typeof whole.id === "string" && whole.id !== "" && !seen.has(whole.id);
    const id = given ? String(whole.id) : newId(PREFIXES.get(String(whole.type)) ?? "item_");
    seen.add(id);
    return { ...whole, id } as InputItem;
  });
}

function wholeMessage(item: MessageItem): MessageItem & { status: string } {
  const type = item.role === "assistant" ? "output_text" : "input_text";
  const content: ContentPart[] = typeof item.content === "string"
    ? [{ type, text: item.content }]
    : item.content;
  return { status: "completed", ...item, type: "message", content };
}
