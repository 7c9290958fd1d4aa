/** The response that a connection remembers, because it is stored nowhere. @module */
import { SynthError } from "@synth/core";
import type { InputItem, ResponsesRequest } from "@synth/core/api";
import type { ItemSecrets } from "../../bridge/items/item_secret.ts";
import { callIdOf, isCall, isOutput } from "../../bridge/items/pairing.ts";
import type { History } from "../load_history.ts";
import { inputItems } from "../stored_input.ts";
import type { MadeResponse } from "./made_response.ts";

/** Items that are stored nowhere. */
export interface LocalItems {
  readonly items: readonly InputItem[];
  /** What the client is not shown of them. */
  readonly secrets: ItemSecrets;
}

/** All that a response leads on from. Only in memory, and only for the connection that it was made on. */
export interface LocalResponse extends LocalItems {
  readonly id: string;
  /** What it takes, roughly, in characters of JSON. */
  readonly size: number;
}

/** What a request goes on from: the items, and what was loaded of its references. */
export function historyFrom({ items, secrets }: LocalItems, loaded: History | null): History {
  const own = items.flatMap((item): [string, InputItem][] => {
    return item.type !== "item_reference" && typeof item.id === "string" ? [[item.id, item]] : [];
  });
  return {
    last: null,
    items,
    references: new Map([...loaded?.references ?? [], ...own]),
    secrets: new Map([...loaded?.secrets ?? [], ...secrets]),
  };
}

/** @throws {SynthError} 400 `unknown_tool_call` for the output of a call that nobody made */
export function refuseUnknownCalls(body: ResponsesRequest, local: LocalItems): void {
  const input = inputItems(body);
  const calls = new Set<string | null>();
  for (const item of [...local.items, ...input]) if (isCall(item)) calls.add(callIdOf(item));
  input.forEach((item, i) => {
    const id = isOutput(item) ? callIdOf(item) : null;
    if (id === null || calls.has(id)) return;
    throw new SynthError(`No tool call found for the output with call_id '${id.slice(0, 64)}'`, {
      code: "unknown_tool_call",
      status: 400,
      param: `input[${i}].call_id`,
    });
  });
}

/**
 * What to remember of a response.
 *
 * @param before what it went on from, stored or not
 * @returns null when it is no good to go on from, or larger than `maxSize`
 */
export function remembered(
  response: MadeResponse,
  before: LocalItems & { readonly size: number },
  input: { readonly items: readonly InputItem[]; readonly size: number },
  maxSize: number,
): LocalResponse | null {
  if (response.status === "failed") return null;
  const { id, output } = response;
  const own = JSON.stringify([output, [...response.secrets]]).length;
  // A compaction says all that was before it.
  if (output.some((item) => item.type === "compaction")) {
    return own > maxSize ? null : { id, items: output, secrets: response.secrets, size: own };
  }
  const size = before.size + input.size + own;
  if (size > maxSize) return null;
  return {
    id,
    items: [...before.items, ...input.items, ...output],
    secrets: new Map([...before.secrets, ...response.secrets]),
    size,
  };
}

/** What was loaded of a chain, to be remembered with what comes after it. */
export function loadedBefore(
  history: History | null,
): LocalItems & { readonly size: number } {
  if (history === null || history.items.length === 0) {
    return { items: [], secrets: new Map(), size: 0 };
  }
  const { items, secrets } = history;
  return { items, secrets, size: JSON.stringify([items, [...secrets]]).length };
}
