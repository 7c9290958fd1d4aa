/** Sums of usage events. @module */
import type { UsageGroup } from "@synth/core/api";
import { amountsBody } from "../sessions/api/amounts.ts";
import { isoTime } from "../sessions/api/times.ts";
import type { UsageDetail, UsageEvent } from "../sessions/ledger/ledger.ts";
import { type Amounts, mapAmounts, NOTHING } from "../sessions/limits.ts";

/** What events can be grouped by. */
export type GroupBy = "model" | "day" | "user" | "key";

interface Sum {
  events: number;
  estimated: number;
  amounts: Amounts;
  overrun: Amounts;
  detail: Omit<UsageDetail, "estimated">;
}

/** Adds events up, exactly. */
export class UsageSum {
  readonly #by: GroupBy;
  readonly #sums: Map<string | null, Sum> = new Map();

  constructor(by: GroupBy) {
    this.#by = by;
  }

  /** Counts an event. */
  add(event: UsageEvent): void {
    const group = groupOf(event, this.#by);
    const sum = this.#sums.get(group) ?? nothing();
    this.#sums.set(group, sum);
    const { detail } = event;
    sum.events++;
    if (event.expired || detail?.estimated === true) sum.estimated++;
    sum.amounts = plus(sum.amounts, event.amounts);
    sum.overrun = plus(sum.overrun, event.overrun);
    if (detail === null) return;
    sum.detail = {
      inputTokens: sum.detail.inputTokens + detail.inputTokens,
      cachedTokens: sum.detail.cachedTokens + detail.cachedTokens,
      outputTokens: sum.detail.outputTokens + detail.outputTokens,
      reasoningTokens: sum.detail.reasoningTokens + detail.reasoningTokens,
    };
  }

  /** Days in their order, everything else the dearest first. */
  groups(): UsageGroup[] {
    const all = [...this.#sums];
    if (this.#by === "day") all.sort(([a], [b]) => (a ?? "") < (b ?? "") ? -1 : 1);
    else all.sort(([, a], [, b]) => compare(b.amounts, a.amounts));
    return all.map(([group, sum]) => ({
      group,
      events: sum.events,
      estimated_events: sum.estimated,
      amounts: amountsBody(sum.amounts),
      overrun: amountsBody(sum.overrun),
      input_tokens: sum.detail.inputTokens,
      cached_tokens: sum.detail.cachedTokens,
      output_tokens: sum.detail.outputTokens,
      reasoning_tokens: sum.detail.reasoningTokens,
    }));
  }
}

function groupOf(event: UsageEvent, by: GroupBy): string | null {
  if (by === "model") return event.model;
  if (by === "user") return event.user;
  return by === "key" ? event.keyId : isoTime(event.at).slice(0, 10);
}

function nothing(): Sum {
  const detail = { inputTokens: 0, cachedTokens: 0, outputTokens: 0, reasoningTokens: 0 };
  return { events: 0, estimated: 0, amounts: NOTHING, overrun: NOTHING, detail };
}

function plus(a: Amounts, b: Amounts): Amounts {
  return mapAmounts((metric) => a[metric] + b[metric]);
}

function compare(a: Amounts, b: Amounts): number {
  if (a.cost !== b.cost) return a.cost < b.cost ? -1 : 1;
  return a.tokens === b.tokens ? 0 : a.tokens < b.tokens ? -1 : 1;
}
