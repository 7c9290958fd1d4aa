/** Walks through a journal of usage. @module */
import type { UsageEvent, UsageQuery } from "../sessions/ledger/ledger.ts";

const PAGE = 1000;

/**
 * Gives every event of a range once, newest first. Goes back in time page by page: by the time of the last event, and by offset only among
 * those of one millisecond.
 *
 * @param read one page
 * @returns false when it stopped because more than `most` events were read
 */
export async function eachEvent(
  read: (query: UsageQuery) => Promise<readonly UsageEvent[]>,
  range: UsageQuery,
  most: number,
  fn: (event: UsageEvent) => void,
): Promise<boolean> {
  const seen = new Set<string>();
  let to = range.to;
  let offset = 0;
  while (true) {
    const before = to === undefined ? {} : { to };
    const events = await read({ ...range, ...before, limit: PAGE, offset });
    for (const event of events) {
      const name = `${event.sessionId ?? ""} ${event.id}`;
      if (seen.has(name)) continue;
      seen.add(name);
      fn(event);
    }
    const last = events.at(-1);
    if (last === undefined || events.length < PAGE) return true;
    if (seen.size >= most) return false;
    if (last.at + 1 === to) offset += PAGE;
    else [to, offset] = [last.at + 1, 0];
    await otherRequests();
  }
}

/** A ledger in this process answers at once: without this nobody else would be served until the walk is done. */
function otherRequests(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
