/** The response that a connection remembers, because it is stored nowhere. @module */
import { SynthError } from "@synth/core";
import type { InputItem, ResponsesRequest } from "@synth/core/api";
import type { ItemSecrets } from "../../bridge/items/item_secret.ts";
import { callIdOf, isCall, isOutput } from "../../bridge/items/pairing.ts";
import { inputItems } from "../stored_input.ts";

/** All that a response leads on from. Only in memory, and only for the connection that it was made on. */
export interface LocalResponse {
  readonly id: string;
  /** Input and output of the whole chain, in order. */
  readonly items: readonly InputItem[];
  /** What the client is not shown of them. */
  readonly secrets: ItemSecrets;
  /** What the items take, roughly, in characters of JSON. */
  readonly size: number;
}

/** A response that is made. */
export interface MadeResponse {
  readonly id: string;
  readonly status: string;
  readonly output: readonly InputItem[];
  readonly secrets: ItemSecrets;
}

/** A response that an upstream made, as far as it can be sent there again: reasoning that is not sealed would be looked up, and not be found. */
export function passedOn(response: { readonly [key: string]: unknown }): MadeResponse {
  const output: InputItem[] = Array.isArray(response.output) ? response.output : [];
  return {
    id: String(response.id),
    status: String(response.status),
    secrets: new Map(),
    output: output.filter((item) => item.type !== "reasoning" || Boolean(item.encrypted_content)),
  };
}

/**
 * The request with the items that its `previous_response_id` stands for.
 *
 * @throws {SynthError} 400 `unknown_tool_call` for the output of a call that nobody made
 */
export function continued(body: ResponsesRequest, local: LocalResponse): ResponsesRequest {
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
  return { ...body, previous_response_id: null, input: [...local.items, ...input] };
}

/**
 * What to remember of a response.
 *
 * @param before what it went on from, stored or not
 * @returns null when it is no good to go on from, or larger than `maxSize`
 */
export function remembered(
  response: MadeResponse,
  before: Pick<LocalResponse, "items" | "secrets" | "size">,
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
  history: { readonly items: readonly InputItem[]; readonly secrets: ItemSecrets } | null,
): Pick<LocalResponse, "items" | "secrets" | "size"> {
  if (history === null || history.items.length === 0) {
    return { items: [], secrets: new Map(), size: 0 };
  }
  const { items, secrets } = history;
  return { items, secrets, size: JSON.stringify([items, [...secrets]]).length };
}
