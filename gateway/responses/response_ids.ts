/** Ids of responses and of their items. An item's id holds its response's, so that a reference finds it without an index. @module */
import { newId } from "@synth/core";

const ITEM = /^[a-z]{1,8}_([0-9a-v]{32})[0-9a-v]{4}$/;
const COUNTER_LENGTH = 4;
/** Ends the id of a response that is not stored; no other id has it. */
const UNSTORED = "z";

/** A new id of a response, which says whether the response is stored. */
export function newResponseId(stored: boolean): string {
  return newId("resp_") + (stored ? "" : UNSTORED);
}

/** Whether this is the id of a response that was made with `store: false`. */
export function isUnstoredId(id: string): boolean {
  return id.startsWith("resp_") && id.endsWith(UNSTORED);
}

/** Gives the ids of one response's items. */
export function itemIds(responseId: string, from = 0): (prefix: string) => string {
  const middle = responseId.slice("resp_".length).replace(UNSTORED, "");
  let count = from;
  return (prefix) => prefix + middle + (count++).toString(32).padStart(COUNTER_LENGTH, "0");
}

/** The response that an item's id says it is in, or null when it is none of ours. */
export function responseOfItem(itemId: string): string | null {
  const middle = ITEM.exec(itemId)?.[1];
  return middle === undefined ? null : `resp_${middle}`;
}
