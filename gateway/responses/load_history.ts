/** What came before a request: the responses of its chain and the items that it refers to. @module */
import { SynthError } from "@synth/core";
import type { InputItem, ResponsesRequest } from "@synth/core/api";
import { itemReferences } from "../bridge/items/references.ts";
import { isUnstoredId, responseOfItem } from "./response_ids.ts";
import type { ResponseStore, StoredResponse } from "./response_store.ts";

/** What a request goes on from. */
export interface History {
  /** Input and output of the responses before, in order. */
  readonly items: readonly InputItem[];
  /** What the response to be made has as its `ancestors`. */
  readonly ancestors: readonly string[];
  /** Items that the input may refer to, by id. */
  readonly references: ReadonlyMap<string, InputItem>;
}

/** Responses a chain may have. */
const MAX_CHAIN = 4096;
/** Ancestors that one response names, read at once. */
const BLOCK = 128;
/** Items a history may have. */
const MAX_ITEMS = 100_000;
/** Other responses that the references of one input may reach into. */
const MAX_REFERRED = 256;

/**
 * Loads it: one round trip for the response before and for references, one more for every 128 responses before that.
 *
 * @param parent the response before, where it was loaded already
 * @returns null when there is nothing to go on from
 * @throws {SynthError} 400 `previous_response_not_found` for what is not there, of another org or expired, also when that is an earlier
 * one of the chain; `previous_response_failed`; `context_length_exceeded`
 */
export async function loadHistory(
  body: ResponsesRequest,
  store: ResponseStore | null,
  org: string,
  parent: StoredResponse | null = null,
): Promise<History | null> {
  const previous = body.previous_response_id ?? null;
  const referred = referredResponses(body);
  if (store === null || (previous === null && referred.length === 0)) return null;
  const wanted = previous === null || parent !== null ? referred : [previous, ...referred];
  const loaded = await store.load(org, wanted);
  const references = new Map<string, InputItem>();
  for (const one of loaded) {
    if (one === null) continue;
    for (const item of itemsOf(one)) references.set(String(item.id), item);
  }
  if (previous === null) return { items: [], ancestors: [], references };
  const last = parent ?? loaded[0] ?? null;
  if (last === null) throw notFound(previous);
  if (last.response.status === "failed") throw failed(previous);
  const chain = [last];
  while (!isCompaction(chain[0]!) && chain[0]!.ancestors.length > 0) {
    const ids = chain[0]!.ancestors;
    const block = await store.load(org, ids);
    const found = block.map((one, i) => one ?? missing(previous, ids[i]));
    chain.unshift(...found);
    if (chain.length > MAX_CHAIN) throw tooLong();
  }
  const items: InputItem[] = [];
  for (const one of chain) append(items, one);
  return { items, ancestors: ancestorsAfter(last), references };
}

/** What the response behind `last` names: a block begins anew when it is full, and its first leads to the one before. */
function ancestorsAfter({ response: { id }, ancestors }: StoredResponse): string[] {
  return ancestors.length < BLOCK ? [...ancestors, id] : [id];
}

function missing(previous: string, id: string | undefined): never {
  throw notFound(previous, id);
}

/** The error for a response that this org does not have. */
export function notFound(id: string, earlier?: string): SynthError {
  const shown = id.slice(0, 64);
  const why = isUnstoredId(id)
    ? { hint: "It was made with store: false; send its items as input" }
    : earlier === undefined
    ? {}
    : { hint: `${earlier}, an earlier response of its chain, was deleted or has expired` };
  return new SynthError(`Previous response with id '${shown}' not found.`, {
    code: "previous_response_not_found",
    status: 400,
    param: "previous_response_id",
    ...why,
  });
}

function append(items: InputItem[], one: StoredResponse): void {
  if (isCompaction(one)) {
    // It says all that was before it.
    items.length = 0;
    items.push(...outputOf(one));
  } else items.push(...itemsOf(one));
  if (items.length > MAX_ITEMS) throw tooLong();
}

function isCompaction(one: StoredResponse): boolean {
  return one.response.output.some((item) => item.type === "compaction");
}

function itemsOf(one: StoredResponse): InputItem[] {
  return [...one.input, ...outputOf(one)];
}

function outputOf(one: StoredResponse): InputItem[] {
  return one.response.output as unknown as InputItem[];
}

function referredResponses(body: ResponsesRequest): string[] {
  const own = new Set<unknown>(Array.isArray(body.input) ? body.input.map(ownId) : []);
  const responses = new Set<string>();
  for (const id of itemReferences(body)) {
    const response = own.has(id) ? null : responseOfItem(id);
    if (response !== null) responses.add(response);
  }
  if (responses.size > MAX_REFERRED) {
    throw new SynthError(`The input refers to items of more than ${MAX_REFERRED} responses`, {
      code: "invalid_value",
      status: 400,
      param: "input",
      hint: "Use previous_response_id, or send the items",
    });
  }
  return [...responses];
}

function ownId(item: InputItem): unknown {
  return item.type === "item_reference" ? undefined : item.id;
}

function failed(id: string): SynthError {
  return new SynthError(`The previous response '${id.slice(0, 64)}' failed`, {
    code: "previous_response_failed",
    status: 400,
    param: "previous_response_id",
    hint: "Go on from the response before it, and send its input again",
  });
}

function tooLong(): SynthError {
  return new SynthError("The chain of responses is too long", {
    code: "context_length_exceeded",
    status: 400,
    param: "previous_response_id",
    hint: "Compact it: POST /v1/responses/compact",
  });
}
