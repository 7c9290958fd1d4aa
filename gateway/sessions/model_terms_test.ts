import { assertEquals } from "@std/assert";
import type { UpstreamProfile } from "../bridge/profile.ts";
import { priceBook } from "../pricing/price_book.ts";
import { GENERIC } from "../upstreams/profiles/generic.ts";
import { type ModelTerms, outputTerms, termsOf } from "./model_terms.ts";
import { openBench } from "./testing/admission_bench.ts";

const NOW = Date.UTC(2026, 10, 22);

function terms(more: Partial<ModelTerms> = {}): ModelTerms {
  const bounds = { imageTokens: null, audioTokens: null, fileTokens: null };
  return { price: null, bounds, contextWindow: null, maxOutputTokens: null, ...more };
}

function profile(outputCap: UpstreamProfile["outputCap"]): UpstreamProfile {
  return { ...GENERIC, outputCap };
}

const HONEST = profile({ honoured: true, includesReasoning: true });
const VISIBLE = profile({ honoured: true, includesReasoning: false });
const DEAF = profile({ honoured: false, includesReasoning: false });
const USUAL = { maxReserve: 32_768, thinking: "unsaid" } as const;

Deno.test("outputTerms() wants what was asked for, up to the model's ceiling and the operator's", () => {
  for (
    const [requested, ceiling, wanted, min] of [
      [null, null, 32_768, 16],
      [null, 8192, 8192, 16],
      [500, 8192, 500, 16],
      [9000, 8192, 8192, 16],
      [100_000, null, 32_768, 16],
      [null, 200_000, 32_768, 16],
      [100_000, 200_000, 32_768, 16],
      [999_999_999, 200_000, 32_768, 16],
      [5, null, 5, 5],
    ] as const
  ) {
    assertEquals(outputTerms(requested, terms({ maxOutputTokens: ceiling }), HONEST, USUAL), {
      wanted,
      min,
      unbounded: false,
    });
  }
});

Deno.test("outputTerms() wants 1024 tokens at least for a model that is told to think", () => {
  const on = { ...USUAL, thinking: "on" } as const;
  assertEquals(outputTerms(null, terms(), HONEST, on).min, 1024);
  assertEquals(outputTerms(500, terms(), HONEST, on).min, 500);
  assertEquals(outputTerms(null, terms(), HONEST, { ...on, thinking: "off" }).min, 16);
});

Deno.test("outputTerms() holds the model's ceiling where the cap does not hold", () => {
  const model = terms({ maxOutputTokens: 65_536, contextWindow: 200_000 });
  const whole = { wanted: 65_536, min: 65_536, unbounded: false };
  for (const deaf of [DEAF, profile(null)]) {
    assertEquals(outputTerms(100, model, deaf, USUAL), whole);
    assertEquals(outputTerms(100, terms(), deaf, USUAL).unbounded, true);
  }
  assertEquals(outputTerms(100, terms({ contextWindow: 4096 }), DEAF, USUAL).wanted, 4096);
});

Deno.test("outputTerms() trusts a cap without reasoning only for a model that does not think", () => {
  const model = terms({ maxOutputTokens: 65_536 });
  for (const [thinking, wanted] of [["on", 65_536], ["unsaid", 65_536], ["off", 100]] as const) {
    assertEquals(outputTerms(100, model, VISIBLE, { ...USUAL, thinking }).wanted, wanted);
  }
});

Deno.test("termsOf() takes the operator's price, and knows no price from none", async () => {
  await using it = await openBench();
  const paid = termsOf(it.model("m-paid"), priceBook, NOW).price;
  assertEquals(paid?.tiers[0]?.input, 1_000_000_000n);
  assertEquals(paid?.version.startsWith("config:"), true);
  assertEquals(termsOf(it.model("m-free"), priceBook, NOW).price?.free, true);
  assertEquals(termsOf(it.model("m-new"), priceBook, NOW).price, null);
});

Deno.test("termsOf() finds a model in the price book by the upstream's profile", async () => {
  await using it = await openBench({ upstream: { profile: "groq" } });
  const model = { ...it.model("m-new"), upstreamName: "openai/gpt-oss-20b" };
  const found = termsOf(model, priceBook, NOW);
  assertEquals(found.price?.tiers[0]?.input, 75_000_000n);
  const config = { ...model.config, max_output_tokens: 77, bounds: { image_tokens: 5 } };
  const own = termsOf({ ...model, config: config as typeof model.config }, priceBook, NOW);
  assertEquals([own.maxOutputTokens, own.bounds.imageTokens], [77, 5]);
});
