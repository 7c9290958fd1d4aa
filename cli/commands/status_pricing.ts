/** What `synth status pricing` does. @module */
import type { ModelPrice, PriceLine, WirePrice, WireRates } from "@synth/core/api";
import { type ClientFlags, connect } from "../client/connect.ts";
import type { CliContext } from "../context.ts";
import { count } from "../output/amounts.ts";
import { type Column, grid } from "../output/grid.ts";
import { printJson, say } from "../output/print.ts";

/** Flags of the command. */
export interface PricingFlags extends ClientFlags {
  readonly all: boolean;
}

const COLUMNS: readonly Column[] = [
  { title: "MODEL", cut: 3 },
  { title: "UPSTREAM", drop: 1 },
  { title: "INPUT", right: true },
  { title: "CACHED", right: true },
  { title: "OUTPUT", right: true },
  { title: "NOTE", cut: 2 },
];

/** Shows prices. */
export async function runStatusPricing(this: CliContext, flags: PricingFlags): Promise<void> {
  const { client } = await connect(this, flags);
  const pricing = await client.pricing();
  if (flags.json) return printJson(this, pricing);
  const rows = flags.all ? pricing.prices.flatMap(bookRows) : pricing.models.flatMap(modelRows);
  this.process.stdout.write(grid(COLUMNS, rows, this.process.stdout));
  say(this, `${pricing.unit}, price book of ${pricing.version}`);
  if (pricing.models.some(({ price }) => price === null)) {
    say(this, "A model without a price is refused under a cost limit: add price to its [models.*]");
  }
}

function modelRows({ model, upstream, price, source }: ModelPrice): string[][] {
  if (price === null) return [[model, upstream, "-", "-", "-", "no price"]];
  return priceRows(model, upstream, price, source === "config" ? "configured" : "");
}

function bookRows({ provider, model, price, effective }: PriceLine): string[][] {
  return priceRows(model, provider, price, `from ${effective}`);
}

function priceRows(model: string, upstream: string, price: WirePrice, note: string): string[][] {
  if (price.free) return [[model, upstream, "free", "free", "free", note]];
  return price.tiers.map((rates, i) => [
    i === 0 ? model : "",
    i === 0 ? upstream : "",
    rate(rates.input),
    rate(rates.cached_input),
    rate(rates.output),
    noteOf(price, rates, i === 0 ? note : ""),
  ]);
}

function noteOf(price: WirePrice, rates: WireRates, note: string): string {
  const parts = note === "" ? [] : [note];
  if (rates.above_input_tokens > 0) parts.push(`above ${count(rates.above_input_tokens)} input`);
  if (rates.reasoning !== rates.output) parts.push(`reasoning ${rate(rates.reasoning)}`);
  if (price.per_call > 0) parts.push(`${rate(price.per_call)} a call`);
  return parts.join(", ");
}

function rate(usd: number): string {
  return usd.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 9 });
}
