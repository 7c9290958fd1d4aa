/** The items that are passed on to an upstream of the Responses API: what is stored here, in the words of the one who made it. @module */
import { SynthError } from "@synth/core";
import type { InputItem, ResponsesRequest } from "@synth/core/api";
import { type ItemSecrets, responsesMaker } from "../bridge/items/item_secret.ts";
import { resolveReferences } from "../bridge/items/references.ts";
import { UNREADABLE_COMPACTION } from "../bridge/reverse/own_seals.ts";
import type { ResolvedModel } from "../upstreams/model_table.ts";
import type { History } from "./load_history.ts";
import { responseOfItem } from "./response_ids.ts";
import { inputItems } from "./stored_input.ts";

/** Items in the input that stand for what was stored of them: their seal goes with the upstream's own id alone. */
export function returnedItems(body: ResponsesRequest): string[] {
  return inputItems(body)
    .filter(({ type, id }) => SEALED.has(String(type)) && typeof id === "string" && isOurs(id))
    .map(({ id }) => String(id));
}

/**
 * History and input as this upstream is given them.
 *
 * @param before the items before the input
 * @throws {SynthError} 400 `item_not_found`
 */
export function passedInput(
  body: ResponsesRequest,
  model: ResolvedModel,
  history: History | null,
  before: readonly InputItem[],
): ResponsesRequest["input"] {
  if (before.length === 0 && typeof body.input === "string") return body.input;
  const items = [...before, ...inputItems(body)];
  const by = responsesMaker(model.upstream.name);
  const secrets: ItemSecrets = history?.secrets ?? new Map();
  return resolveReferences(items, history?.references).flatMap((item, at) => {
    if (item.type === "item_reference") throw notFound(String(item.id), at - before.length);
    return passed(item, secrets, by) ?? [];
  });
}

const SEALED: ReadonlySet<string> = new Set(["reasoning", "compaction"]);

/** One item, or null when it would say nothing to this upstream. */
function passed(item: InputItem, secrets: ItemSecrets, by: string): InputItem | null {
  const { id, ...rest } = item as { readonly id?: unknown };
  if (typeof id !== "string") return item;
  const secret = secrets.get(id);
  if (secret?.by === by) {
    const { encrypted_content } = secret;
    return {
      ...rest,
      ...(secret.id === undefined ? {} : { id: secret.id }),
      ...(encrypted_content === undefined ? {} : { encrypted_content }),
    } as InputItem;
  }
  if (!isOurs(id)) return item;
  const own = rest as { readonly type?: unknown; readonly encrypted_content?: unknown };
  // Others cannot read what one upstream thought. What we sealed ourselves is opened later.
  const sealed = typeof own.encrypted_content === "string" && own.encrypted_content !== "";
  if (own.type === "reasoning" && (secret !== undefined || !sealed)) return null;
  if (own.type === "compaction" && secret !== undefined) {
    return { role: "user", content: UNREADABLE_COMPACTION };
  }
  return rest as InputItem;
}

function isOurs(id: string): boolean {
  return responseOfItem(id) !== null;
}

function notFound(id: string, at: number): SynthError {
  return new SynthError(`Item '${id.slice(0, 64)}' not found`, {
    code: "item_not_found",
    status: 400,
    param: at < 0 ? "previous_response_id" : `input[${at}]`,
    hint: "Send the item itself, not its id: with store: false most clients do",
  });
}
