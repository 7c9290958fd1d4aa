/** What an org spent by model and by day, kept up to date without reading its journal again and again. @module */
import type { UsageEvent, UsageQuery } from "../sessions/ledger/ledger.ts";
import { eachEvent } from "../usage/each_event.ts";

/** Days that are shown, today included. */
export const SPEND_DAYS = 14;
/** Events that are read at most; older ones are left out, and the page says so. */
const MOST_EVENTS = 50_000;
const DAY_MS = 86_400_000;
/** Milliseconds after which everything is read anew: late settlements correct old events. */
const FULL_MS = 15 * 60_000;
/** Milliseconds before the newest event from which events are read again: they may still appear or change. */
const TAIL_MS = 60_000;

/** A sum. Cost in nano-USD. */
export interface Spent {
  readonly events: number;
  readonly tokens: bigint;
  readonly cost: bigint;
}

/** A sum with its name. */
export interface SpendLine extends Spent {
  /** A model (`null`: usage that no model made), or a day as `2026-11-22`. */
  readonly name: string | null;
}

/** What the journal says. */
export interface Spend {
  /** Dearest first. */
  readonly models: readonly SpendLine[];
  /** Newest first, days without anything too. */
  readonly days: readonly SpendLine[];
  readonly total: Spent;
  /** When each key was last used, milliseconds since the epoch, as far as the journal was read. */
  readonly lastUse: ReadonlyMap<string, number>;
  /** False: there are more events than were read. */
  readonly complete: boolean;
  /** What the next {@linkcode readSpend} goes on from. */
  readonly state: SpendState;
}

/** Sums up to a moment, behind which events are read again. */
interface SpendState {
  readonly readAt: number;
  /** Milliseconds since the epoch: events from here on are not in `settled`. */
  readonly cut: number;
  readonly settled: Sums;
  readonly complete: boolean;
}

/** By day, then by model; and the last use of each key. */
class Sums {
  readonly cells: Map<string, Map<string | null, Spent>> = new Map();
  readonly lastUse: Map<string, number> = new Map();

  add(event: UsageEvent): void {
    const day = dayOf(event.at);
    const models = this.cells.get(day) ?? new Map();
    this.cells.set(day, models);
    models.set(event.model, plus(models.get(event.model) ?? NOTHING_SPENT, spentBy(event)));
    this.lastUse.set(event.keyId, Math.max(this.lastUse.get(event.keyId) ?? 0, event.at));
  }

  copy(): Sums {
    const copy = new Sums();
    for (const [day, models] of this.cells) copy.cells.set(day, new Map(models));
    for (const [key, at] of this.lastUse) copy.lastUse.set(key, at);
    return copy;
  }
}

/** Nothing spent. */
export const NOTHING_SPENT: Spent = { events: 0, tokens: 0n, cost: 0n };

/**
 * Reads what is new since `previous`, and everything when there is none or it is old.
 *
 * @param read a page of the org's journal
 * @param now milliseconds since the epoch
 */
export async function readSpend(
  read: (query: UsageQuery) => Promise<readonly UsageEvent[]>,
  now: number,
  previous: Spend | null,
): Promise<Spend> {
  const goesOn = previous !== null && now - previous.state.readAt < FULL_MS;
  const state: SpendState = goesOn ? previous.state : {
    readAt: now,
    cut: Math.floor(now / DAY_MS) * DAY_MS - (SPEND_DAYS - 1) * DAY_MS,
    settled: new Sums(),
    complete: true,
  };
  const events: UsageEvent[] = [];
  const all = await eachEvent(
    read,
    { from: Math.max(0, state.cut) },
    MOST_EVENTS,
    (event) => events.push(event),
  );
  const complete = state.complete && all;
  const cut = Math.max(state.cut, (events[0]?.at ?? 0) - TAIL_MS);
  const settled = state.settled.copy();
  for (const event of events) if (event.at < cut) settled.add(event);
  const sums = settled.copy();
  for (const event of events) if (event.at >= cut) sums.add(event);
  return { ...summed(sums, now), complete, state: { ...state, cut, settled, complete } };
}

/** The day of a moment (UTC). */
export function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}

function summed(sums: Sums, now: number): Omit<Spend, "complete" | "state"> {
  const byModel = new Map<string | null, Spent>();
  const days: SpendLine[] = [];
  let total = NOTHING_SPENT;
  for (let i = 0; i < SPEND_DAYS; i++) {
    const day = dayOf(now - i * DAY_MS);
    let sum = NOTHING_SPENT;
    for (const [model, spent] of sums.cells.get(day) ?? []) {
      byModel.set(model, plus(byModel.get(model) ?? NOTHING_SPENT, spent));
      sum = plus(sum, spent);
    }
    days.push({ name: day, ...sum });
    total = plus(total, sum);
  }
  const models = [...byModel].map(([name, spent]) => ({ name, ...spent })).sort(dearestFirst);
  return { models, days, total, lastUse: sums.lastUse };
}

function dearestFirst(a: SpendLine, b: SpendLine): number {
  if (a.cost !== b.cost) return a.cost < b.cost ? 1 : -1;
  return a.tokens === b.tokens ? b.events - a.events : a.tokens < b.tokens ? 1 : -1;
}

function spentBy({ amounts }: UsageEvent): Spent {
  return { events: 1, tokens: amounts.tokens, cost: amounts.cost };
}

function plus(a: Spent, b: Spent): Spent {
  return { events: a.events + b.events, tokens: a.tokens + b.tokens, cost: a.cost + b.cost };
}
