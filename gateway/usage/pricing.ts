/** `GET /api/v1/pricing`: what models cost, for any key. @module */
import { nanoToUsd } from "@synth/core";
import type { ModelPrice, PriceLine, Pricing, WirePrice } from "@synth/core/api";
import { json } from "../http/json.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { Price } from "../pricing/price.ts";
import type { PriceBook, PriceEntry } from "../pricing/price_book.ts";
import type { Services } from "../services.ts";
import { termsOf } from "../sessions/model_terms.ts";
import type { ResolvedModel } from "../upstreams/model_table.ts";

/** The configured models with the price that holds now, and the price book. */
export function pricing(context: RequestContext, services: Services): Response {
  const { prices } = services;
  const { models } = context.snapshot;
  const now = context.clock.now();
  const found = models.names().map((name) => models.find(name)).filter((model) => model !== null);
  const body: Pricing = {
    version: prices.version,
    unit: "USD per million tokens",
    models: found.map((model) => modelPrice(model, prices, now)),
    prices: prices.list().map(lineBody),
  };
  return json(body);
}

function modelPrice(model: ResolvedModel, prices: PriceBook, now: number): ModelPrice {
  const { price } = termsOf(model, prices, now);
  return {
    model: model.name,
    upstream: model.upstream.name,
    upstream_model: model.upstreamName,
    price: price === null ? null : priceBody(price),
    source: price === null ? null : model.config.price === null ? "price_book" : "config",
  };
}

function lineBody(entry: PriceEntry): PriceLine {
  return {
    provider: entry.provider,
    model: entry.model,
    effective: entry.effective,
    price: priceBody(entry.price),
    context_window: entry.contextWindow,
    max_output_tokens: entry.maxOutputTokens,
  };
}

function priceBody(price: Price): WirePrice {
  return {
    version: price.version,
    free: price.free,
    per_call: nanoToUsd(price.perCall),
    tiers: price.tiers.map((tier) => ({
      above_input_tokens: tier.aboveInputTokens,
      input: nanoToUsd(tier.input),
      cached_input: nanoToUsd(tier.cachedInput),
      cache_write: nanoToUsd(tier.cacheWrite),
      output: nanoToUsd(tier.output),
      reasoning: nanoToUsd(tier.reasoning),
    })),
  };
}
