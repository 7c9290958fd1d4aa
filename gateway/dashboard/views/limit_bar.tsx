/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */
// deno-lint-ignore-file jsx-key -- rendered once, on the server: keys would do nothing
/** A limit as a bar: what is used, what open requests hold, what is left. @module */
import type { JSX } from "hono/jsx/jsx-runtime";
import { type LimitState, type Metric, reached, used } from "../../sessions/limits.ts";
import { amountText, percent } from "./format.ts";

const METRIC_NAMES: Readonly<Record<Metric, string>> = {
  tokens: "Tokens",
  cost: "Cost",
  gpu_time: "GPU time",
  api_calls: "Calls",
};

/** The bars of a session or an org. */
export function LimitBars({ limits }: { limits: readonly LimitState[] }): JSX.Element {
  if (limits.length === 0) return <span class="quiet">No limit</span>;
  return <>{limits.map((limit) => <LimitBar limit={limit} />)}</>;
}

function LimitBar({ limit }: { limit: LimitState }): JSX.Element {
  const { metric, value, held, overrun } = limit;
  const full = reached(limit);
  // A limit of nothing is reached by nothing.
  const usedPart = full ? 100 : percent(used(limit), value);
  const heldPart = Math.min(100 - usedPart, percent(held, value));
  const name = limitName(limit);
  const said = `${amountText(metric, used(limit))} used` +
    (held > 0n ? `, ${amountText(metric, held)} held` : "") +
    ` of ${amountText(metric, value)}` +
    (overrun > 0n ? `, ${amountText(metric, overrun)} of it beyond what was held` : "");
  const kind = full ? limit.kind === "hard" ? "full" : "passed" : warned(limit) ? "near" : "well";
  return (
    <div class="limit" data-key={limit.id} data-kind={kind}>
      <div class="limit-text">
        <span>{name}</span>
        <span class="limit-amount">
          {amountText(metric, used(limit))} / {amountText(metric, value)}
          {held > 0n && <span class="held-text">{amountText(metric, held)} held</span>}
          {overrun > 0n && <span class="over-text">{amountText(metric, overrun)} overrun</span>}
        </span>
      </div>
      <div
        role="meter"
        class="bar"
        aria-label={name}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={usedPart}
        aria-valuetext={said}
      >
        <svg aria-hidden="true" width="100%" height="10">
          <rect class="bar-used" width={`${usedPart}%`} height="10" />
          <rect class="bar-held" x={`${usedPart}%`} width={`${heldPart}%`} height="10" />
        </svg>
      </div>
    </div>
  );
}

function limitName({ metric, kind, windowMs }: LimitState): string {
  const window = windowMs === null ? "" : ` in ${windowText(windowMs)}`;
  return METRIC_NAMES[metric] + window + (kind === "soft" ? " (soft)" : "");
}

function windowText(ms: number): string {
  for (
    const [unit, size] of [["days", 86_400_000], ["hours", 3_600_000], ["minutes", 60_000]] as const
  ) {
    if (ms % size === 0 && ms > size) return `${ms / size} ${unit}`;
    if (ms === size) return `a ${unit.slice(0, -1)}`.replace("a hour", "an hour");
  }
  return `${ms / 1000} s`;
}

/** From its threshold on, or from nine tenths. */
function warned(limit: LimitState): boolean {
  const from = limit.warnPpm ?? 900_000;
  return (used(limit) + limit.held) * 1_000_000n >= limit.value * BigInt(from);
}
