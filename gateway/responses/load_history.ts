/** What came before a request: the responses of its chain and the items that it refers to. @module */
import { SynthError } from "@synth/core";
import type { InputItem, ResponsesRequest } from "@synth/core/api";
import type { ItemSecret, ItemSecrets } from "../bridge/items/item_secret.ts";
import { itemReferences } from "../bridge/items/references.ts";
import { isUnstoredId, responseOfItem } from "./response_ids.ts";
import type { Absence, Chain, Found, ResponseStore } from "./response_store.ts";
import { isCompaction, storedBefore, type StoredResponse } from "./stored_response.ts";

/** What a request goes on from. */
export interface History {
  /** The response before, or null. */
  readonly last: Found | null;
  /** Input and output of the responses before, in order. */
  readonly items: readonly InputItem[];
  /** Items that the input may refer to, by id. */
  readonly references: ReadonlyMap<string, InputItem>;
  /** Of all these items. */
  readonly secrets: ItemSecrets;
}

/** Responses a chain may have. */
const MAX_CHAIN = 4096;
/** Items a history may have. */
const MAX_ITEMS = 100_000;
/** Other responses that the references of one input may reach into. */
const MAX_REFERRED = 256;

/**
 * Loads it, in one round trip. Branches of branches beyond the fourth, and chains that an earlier version began, cost more.
 *
 * @param returned items of ours in the input that stand for what was stored of them, beside references
 * @returns null when there is nothing to go on from
 * @throws {SynthError} 400 `previous_response_not_found` for what is not there, of another org or expired, also when that is an earlier
 * one of the chain; `previous_response_failed`; `context_length_exceeded`
 */
export async function loadHistory(
  body: ResponsesRequest,
  store: ResponseStore | null,
  org: string,
  returned: readonly string[] = [],
): Promise<History | null> {
  const previous = body.previous_response_id ?? null;
  const referred = referredResponses(body, returned);
  if (store === null) return null;
  if (previous !== null) {
    const history = await historyOf(previous, referred, store, org);
    if (typeof history === "string") throw notFound(previous, null, history);
    if (history.last?.stored.response.status === "failed") throw failed(previous);
    return history;
  }
  if (referred.length === 0) return null;
  const loaded = await store.load(org, referred);
  const others = loaded.map((found) => typeof found === "string" ? null : found.stored);
  return { last: null, items: [], ...lent(others) };
}

/**
 * A response with what was before it, as {@linkcode loadHistory} has it. It may have failed.
 *
 * @returns why it cannot be had
 * @throws {SynthError} as {@linkcode loadHistory} does, for earlier ones
 */
export async function historyOf(
  id: string,
  referred: readonly string[],
  store: ResponseStore,
  org: string,
): Promise<History | Absence> {
  const first = await chainOf(id, referred, store, org);
  if (first.last === null) return first.missing?.why ?? "absent";
  let chain: readonly StoredResponse[] = first.responses;
  let next: Chain = first;
  while (true) {
    if (next.missing !== null) throw notFound(id, next.missing.id, next.missing.why);
    if (next.before === null) break;
    const { ancestors } = chain[0]!;
    next = ancestors.length === 0
      ? await chainOf(next.before, [], store, org)
      : await blockOf(ancestors, store, org);
    chain = [...next.responses, ...chain];
    if (chain.length > MAX_CHAIN) throw tooLong();
  }
  const items: InputItem[] = [];
  const { references, secrets } = lent([...first.others, ...chain]);
  for (const one of chain) append(items, one);
  return { last: first.last, items, references, secrets };
}

async function chainOf(
  id: string,
  others: readonly string[],
  store: ResponseStore,
  org: string,
): Promise<Chain> {
  try {
    return await store.chain(org, id, others, MAX_CHAIN);
  } catch (error) {
    throw error instanceof RangeError ? tooLong() : error;
  }
}

/** Ancestors as version 1 names them. */
async function blockOf(
  ids: readonly string[],
  store: ResponseStore,
  org: string,
): Promise<Chain> {
  const loaded = await store.load(org, ids);
  const responses: StoredResponse[] = [];
  let missing: Chain["missing"] = null;
  let before: string | null = null;
  for (let i = ids.length - 1; i >= 0; i--) {
    const found = loaded[i]!;
    if (typeof found === "string") {
      missing = { id: ids[i]!, why: found };
      break;
    }
    responses.unshift(found.stored);
    before = storedBefore(found.stored);
    if (before === null) break;
  }
  return { last: null, responses, missing, before: missing === null ? before : null, others: [] };
}

/** What responses lend to a request: their items by id, and what is known of these. */
function lent(
  responses: readonly (StoredResponse | null)[],
): { references: Map<string, InputItem>; secrets: Map<string, ItemSecret> } {
  const references = new Map<string, InputItem>();
  const secrets = new Map<string, ItemSecret>();
  for (const one of responses) {
    if (one === null) continue;
    for (const item of itemsOf(one)) references.set(String(item.id), item);
    for (const [id, secret] of one.secrets) secrets.set(id, secret);
  }
  return { references, secrets };
}

/** The error for a response that this org does not have. */
export function notFound(id: string, earlier: string | null, why: Absence): SynthError {
  const shown = id.slice(0, 64);
  const hint = isUnstoredId(id)
    ? "It was made with store: false; send its items as input"
    : why === "sealed"
    ? `${earlier ?? "It"} is stored, but ${UNREADABLE}`
    : earlier === null || earlier === id
    ? undefined
    : `${earlier}, an earlier response of its chain, was deleted or has expired`;
  return new SynthError(`Previous response with id '${shown}' not found.`, {
    code: "previous_response_not_found",
    status: 400,
    param: "previous_response_id",
    ...(hint === undefined ? {} : { hint }),
  });
}

/** What to do about a seal that does not open. */
export const UNREADABLE =
  "cannot be read: its key is no longer in SYNTH_SEAL_KEYS, or it was spoilt. The operator can put the key back, behind the first";

function append(items: InputItem[], one: StoredResponse): void {
  if (isCompaction(one)) {
    // It says all that was before it.
    items.length = 0;
    items.push(...outputOf(one));
  } else items.push(...itemsOf(one));
  if (items.length > MAX_ITEMS) throw tooLong();
}

function itemsOf(one: StoredResponse): InputItem[] {
  return [...one.input, ...outputOf(one)];
}

function outputOf(one: StoredResponse): InputItem[] {
  return one.response.output as unknown as InputItem[];
}

function referredResponses(body: ResponsesRequest, returned: readonly string[]): string[] {
  const own = new Set<unknown>(Array.isArray(body.input) ? body.input.map(ownId) : []);
  const responses = new Set<string>();
  for (const id of itemReferences(body)) {
    const response = own.has(id) ? null : responseOfItem(id);
    if (response !== null) responses.add(response);
  }
  for (const id of returned) {
    const response = responseOfItem(id);
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
