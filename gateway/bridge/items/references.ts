import type { InputItem, ResponsesRequest } from "@synth/core/api";

/** The ids that the input refers to, for whoever can load the items. */
export function itemReferences(body: ResponsesRequest): string[] {
  if (!Array.isArray(body.input)) return [];
  return body.input.filter((item) => item.type === "item_reference")
    .map((item) => String(item.id));
}

/** Puts the items in the place of their references. What is not found stays a reference, and is refused by the translation. */
export function resolveReferences(
  items: readonly InputItem[],
  stored: ReadonlyMap<string, InputItem> | undefined,
): readonly InputItem[] {
  if (!items.some((item) => item.type === "item_reference")) return items;
  const byId = new Map<unknown, InputItem>();
  for (const item of items) {
    if (item.type !== "item_reference" && typeof item.id === "string") byId.set(item.id, item);
  }
  return items.map((item) => {
    if (item.type !== "item_reference") return item;
    return stored?.get(String(item.id)) ?? byId.get(item.id) ?? item;
  });
}
