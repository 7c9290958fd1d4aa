/** What the ledger must know of a model: its price, its bounds, and how far its output can be capped. @module */
import type { ModelConfig } from "@synth/core/config";
import type { UpstreamProfile } from "../bridge/profile.ts";
import { FREE, type Price } from "../pricing/price.ts";
import { type InputBounds, type PriceBook, priceFrom, UNBOUNDED } from "../pricing/price_book.ts";
import type { Thinking } from "./thinking.ts";
import type { ResolvedModel } from "../upstreams/model_table.ts";

/** A model's terms. */
export interface ModelTerms {
  /** `null`: nobody said what it costs. */
  readonly price: Price | null;
  readonly bounds: InputBounds;
  /** Tokens; `null` when not known. */
  readonly contextWindow: number | null;
  readonly maxOutputTokens: number | null;
}

/** The operator's word first, then the price book's, by the upstream's profile and by its name. */
export function termsOf(model: ResolvedModel, book: PriceBook, now: number): ModelTerms {
  const { config, upstream, upstreamName } = model;
  const entry = book.find(upstream.profile.name, upstreamName, now) ??
    book.find(upstream.name, upstreamName, now);
  const ownBounds = config.bounds ?? null;
  return {
    price: ownPrice(config) ?? entry?.price ?? null,
    bounds: {
      imageTokens: ownBounds?.image_tokens ?? entry?.bounds.imageTokens ?? UNBOUNDED.imageTokens,
      audioTokens: ownBounds?.audio_tokens ?? entry?.bounds.audioTokens ?? UNBOUNDED.audioTokens,
      fileTokens: ownBounds?.file_tokens ?? entry?.bounds.fileTokens ?? UNBOUNDED.fileTokens,
    },
    contextWindow: config.context_window ?? entry?.contextWindow ?? null,
    maxOutputTokens: config.max_output_tokens ?? entry?.maxOutputTokens ?? null,
  };
}

/** Prices that were read from a configuration, which is never changed: a reload makes another. */
const ownPrices: WeakMap<ModelConfig, Price> = new WeakMap();

function ownPrice(config: ModelConfig): Price | null {
  if (config.price === null) return null;
  if (config.price === "free") return FREE;
  let price = ownPrices.get(config);
  if (price === undefined) {
    // The numbers are the version: a lease can be re-read after any change of the configuration.
    price = priceFrom(config.price, `config:${priceDigest(config.price)}`);
    ownPrices.set(config, price);
  }
  return price;
}

function priceDigest(price: Exclude<ModelConfig["price"], null | "free">): string {
  return Object.entries(price).filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => `${name}=${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join(",").slice(0, 200);
}

/** How much output to hold and to ask for. */
export interface OutputTerms {
  readonly wanted: number;
  readonly min: number;
  /** Nothing bounds the output of this model at this upstream: it cannot run under a hard limit. */
  readonly unbounded: boolean;
}

/** Tokens below which an answer is no use. */
const LEAST_OUTPUT = 16;
/** The same for models that think first. */
const LEAST_REASONING_OUTPUT = 1024;

/**
 * The output to reserve: what was asked for, at most the model's ceiling and `maxReserve`. An upstream whose cap does not hold (or holds only the visible
 * part) can spend up to the model's ceiling whatever it is told, so that is held whole.
 */
export function outputTerms(
  requested: number | null,
  terms: ModelTerms,
  profile: UpstreamProfile,
  options: { readonly maxReserve: number; readonly thinking: Thinking },
): OutputTerms {
  const ceiling = terms.maxOutputTokens ?? terms.contextWindow;
  const cap = profile.outputCap;
  // Many models think unasked; only one that was told not to stays within a cap that leaves thinking out.
  const capHolds = cap !== null && cap.honoured &&
    (cap.includesReasoning || options.thinking === "off");
  if (!capHolds) {
    return ceiling === null
      ? { wanted: options.maxReserve, min: options.maxReserve, unbounded: true }
      : { wanted: ceiling, min: ceiling, unbounded: false };
  }
  const most = Math.min(ceiling ?? options.maxReserve, options.maxReserve);
  const wanted = Math.max(1, Math.min(requested ?? most, most));
  const least = options.thinking === "on" ? LEAST_REASONING_OUTPUT : LEAST_OUTPUT;
  return { wanted, min: Math.min(wanted, least), unbounded: false };
}
