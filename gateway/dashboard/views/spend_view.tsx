/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */
// deno-lint-ignore-file jsx-key -- rendered once, on the server: keys would do nothing
/** Spend by model and by day. @module */
import type { JSX } from "hono/jsx/jsx-runtime";
import { type Spend, SPEND_DAYS, type SpendLine } from "../spend.ts";
import { amountText, countText, nameText, percent } from "./format.ts";
import { type Column, Table } from "./table.tsx";

const MODELS_SHOWN = 20;

/** Two tables. */
export function SpendView({ spend }: { spend: Spend | null }): JSX.Element {
  if (spend === null) return <p class="empty">This gateway keeps no journal of usage.</p>;
  if (spend.total.events === 0) {
    return <p class="empty">Nothing was used in the last {SPEND_DAYS} days.</p>;
  }
  return (
    <>
      <div class="pair">
        <Lines caption="By model" first="Model" lines={spend.models.slice(0, MODELS_SHOWN)} />
        <Lines caption="By day (UTC)" first="Day" lines={withoutEmptyEnd(spend.days)} />
      </div>
      {spend.models.length > MODELS_SHOWN && (
        <p class="quiet">and {spend.models.length - MODELS_SHOWN} cheaper models</p>
      )}
      {!spend.complete && (
        <p class="quiet">
          There is more than this page reads: older events are left out. All of them:{" "}
          <code>GET /api/v1/usage</code>
        </p>
      )}
    </>
  );
}

function Lines(
  { caption, first, lines }: { caption: string; first: string; lines: readonly SpendLine[] },
): JSX.Element {
  const columns: readonly Column[] = [
    { label: first },
    { label: "Cost", number: true },
    { label: "Tokens", number: true },
    { label: "Events", number: true },
  ];
  // What costs nothing is still drawn: by its tokens.
  const free = lines.every(({ cost }) => cost === 0n);
  const weight = (line: SpendLine): bigint => free ? line.tokens : line.cost;
  const most = lines.reduce((max, line) => weight(line) > max ? weight(line) : max, 0n);
  const rows = lines.map((line) => ({
    key: line.name ?? "",
    cells: [
      <>
        <bdi class="name">{line.name === null ? "without a model" : nameText(line.name)}</bdi>
        <svg class="spark" aria-hidden="true" width="100%" height="4">
          <rect class="bar-used" width={`${percent(weight(line), most)}%`} height="4" />
        </svg>
      </>,
      amountText("cost", line.cost),
      amountText("tokens", line.tokens),
      countText(line.events),
    ],
  }));
  return <Table caption={caption} columns={columns} rows={rows} />;
}

/** Days before the first use say nothing. */
function withoutEmptyEnd(days: readonly SpendLine[]): readonly SpendLine[] {
  let end = days.length;
  while (end > 1 && days[end - 1]?.events === 0) end--;
  return days.slice(0, end);
}
