/**
 * What models cost and how large their inputs can be: one dated table, overridden by the operator's configuration.
 *
 * ```ts
 * import { priceBook } from "./price_book.ts";
 *
 * priceBook.find("groq", "openai/gpt-oss-20b", Date.now())?.price.tiers[0]?.input; // 75_000_000n
 * ```
 *
 * @module
 */
import { SynthError, usdToNano } from "@synth/core";
import * as z from "zod";
import data from "./prices.json" with { type: "json" };
import { FREE, type Price, type PriceTier } from "./price.ts";

/** Tokens that one thing which is not text can cost at most; `null`: nobody knows. */
export interface InputBounds {
  readonly imageTokens: number | null;
  readonly audioTokens: number | null;
  readonly fileTokens: number | null;
}

/** No image, audio or file can be bounded. */
export const UNBOUNDED: InputBounds = { imageTokens: null, audioTokens: null, fileTokens: null };

/** A line of the table. */
export interface PriceEntry {
  readonly provider: string;
  readonly model: string;
  /** `YYYY-MM-DD`; holds from that day on (UTC) until a later line of the same model. */
  readonly effective: string;
  readonly price: Price;
  /** Tokens; `null` where the table does not say. */
  readonly contextWindow: number | null;
  readonly maxOutputTokens: number | null;
  readonly bounds: InputBounds;
}

/** A price as an operator or the table writes it: USD per million tokens. */
export interface PriceText {
  readonly input: string | number;
  readonly cached_input?: string | number | null | undefined;
  readonly cache_write?: string | number | null | undefined;
  readonly output: string | number;
  readonly reasoning?: string | number | null | undefined;
  readonly per_call?: string | number | null | undefined;
  readonly tiers?: readonly TierText[] | null | undefined;
}

/** A tier as written. What it leaves out is as dear as its `input` or `output`. */
export interface TierText {
  readonly above_input_tokens: number;
  readonly input: string | number;
  readonly cached_input?: string | number | null | undefined;
  readonly cache_write?: string | number | null | undefined;
  readonly output: string | number;
  readonly reasoning?: string | number | null | undefined;
}

const usd = z.string().regex(/^\d{1,7}(?:\.\d{1,9})?$/);
const tokens = z.int().nonnegative();
const rates = {
  input: usd,
  cached_input: usd.optional(),
  cache_write: usd.optional(),
  output: usd,
  reasoning: usd.optional(),
};
const fileSchema = z.strictObject({
  format: z.literal(1),
  version: z.string().min(1),
  unit: z.string(),
  prices: z.array(z.strictObject({
    provider: z.string().min(1),
    model: z.string().min(1),
    effective: z.iso.date(),
    source: z.string().optional(),
    ...rates,
    per_call: usd.optional(),
    tiers: z.array(z.strictObject({ above_input_tokens: tokens, ...rates })).optional(),
    context_window: tokens.optional(),
    max_output_tokens: tokens.optional(),
    bounds: z.strictObject({
      image_tokens: tokens.optional(),
      audio_tokens: tokens.optional(),
      file_tokens: tokens.optional(),
    }).optional(),
  })),
});

/** Prices by provider, model and day. */
export class PriceBook {
  /** Of the table; leases and usage events carry it. */
  readonly version: string;
  readonly #entries: Map<string, PriceEntry[]> = new Map();

  /** @throws {SynthError} `invalid_price_book` when the table does not have its shape. */
  constructor(table: unknown) {
    const parsed = fileSchema.safeParse(table);
    if (!parsed.success) {
      throw new SynthError(`Cannot read the price book: ${z.prettifyError(parsed.error)}`, {
        code: "invalid_price_book",
      });
    }
    this.version = parsed.data.version;
    for (const line of parsed.data.prices) {
      const key = keyOf(line.provider, line.model);
      const version = `${this.version}/${line.provider}/${line.model}@${line.effective}`;
      const list = this.#entries.get(key) ?? [];
      list.push({
        provider: line.provider,
        model: line.model,
        effective: line.effective,
        price: priceFrom(line, version),
        contextWindow: line.context_window ?? null,
        maxOutputTokens: line.max_output_tokens ?? null,
        bounds: {
          imageTokens: line.bounds?.image_tokens ?? null,
          audioTokens: line.bounds?.audio_tokens ?? null,
          fileTokens: line.bounds?.file_tokens ?? null,
        },
      });
      list.sort((a, b) => (a.effective < b.effective ? 1 : -1));
      this.#entries.set(key, list);
    }
  }

  /** The line that holds at `at` (ms since the epoch), or `null`: an unknown price is never taken for nothing. */
  find(provider: string, model: string, at: number): PriceEntry | null {
    const list = this.#entries.get(keyOf(provider, model));
    if (list === undefined) return null;
    const day = new Date(at).toISOString().slice(0, 10);
    return list.find((entry) => entry.effective <= day) ?? null;
  }

  /** Every line, by provider and model, the newest first. */
  list(): PriceEntry[] {
    return [...this.#entries.values()].flat();
  }
}

/** The table that ships with synth. */
export const priceBook: PriceBook = new PriceBook(data);

/** A price that the operator wrote. `version` should change whenever the numbers do. */
export function priceFrom(text: PriceText | "free", version: string): Price {
  if (text === "free") return FREE;
  const tiers = [tierFrom({ ...text, above_input_tokens: 0 })];
  for (const tier of text.tiers ?? []) tiers.push(tierFrom(tier));
  tiers.sort((a, b) => a.aboveInputTokens - b.aboveInputTokens);
  const perCall = usdToNano(text.per_call ?? "0");
  const free = perCall === 0n &&
    tiers.every((t) => t.input + t.cachedInput + t.cacheWrite + t.output + t.reasoning === 0n);
  return { version, free, tiers, perCall };
}

function tierFrom(text: TierText): PriceTier {
  const input = usdToNano(text.input);
  const output = usdToNano(text.output);
  return {
    aboveInputTokens: text.above_input_tokens,
    input,
    cachedInput: orElse(text.cached_input, input),
    cacheWrite: orElse(text.cache_write, input),
    output,
    reasoning: orElse(text.reasoning, output),
  };
}

function orElse(text: string | number | null | undefined, fallback: bigint): bigint {
  return text === null || text === undefined ? fallback : usdToNano(text);
}

function keyOf(provider: string, model: string): string {
  return `${provider}\n${model}`;
}
