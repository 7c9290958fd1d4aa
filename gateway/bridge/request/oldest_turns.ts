import type { InputItem, MessageItem, ResponsesRequest } from "@synth/core/api";

/** What holds for the whole conversation, wherever it stands. */
const LASTING = new Set<unknown>(["additional_tools", "compaction", "compaction_summary"]);

/**
 * The request without the older half of its turns, for `truncation: auto`. A turn goes from a user's message to the next
 * one, with all its calls and outputs; system text, tools and summaries stay.
 *
 * @returns null when one turn is left: there is nothing that could go
 */
export function withoutOldestTurns(
  body: ResponsesRequest,
): { readonly body: ResponsesRequest; readonly dropped: number } | null {
  if (!Array.isArray(body.input)) return null;
  const items = body.input;
  const starts: number[] = [];
  for (let index = 0; index < items.length; index++) {
    // Messages of the user in a row are one turn: agents send their surroundings before the question.
    if (isUser(items[index]!) && (index === 0 || !isUser(items[index - 1]!))) starts.push(index);
  }
  if (starts.length < 2) return null;
  const from = starts[Math.ceil(starts.length / 2)]!;
  const input = items.filter((item, index) => index >= from || lasts(item));
  return { body: { ...body, input }, dropped: items.length - input.length };
}

function isUser(item: InputItem): boolean {
  return (item as MessageItem).role === "user";
}

function lasts(item: InputItem): boolean {
  const { role } = item as MessageItem;
  return role === "system" || role === "developer" || LASTING.has(item.type);
}
