import { assert, assertEquals, assertThrows } from "@std/assert";
import { SynthError } from "@synth/core";
import fc from "fast-check";
import { ceilingRates, costOf, type TokenUsage } from "./price.ts";
import { PriceBook, priceBook, priceFrom } from "./price_book.ts";

const NOV_2026 = Date.UTC(2026, 10, 22);

function usage(over: Partial<TokenUsage>): TokenUsage {
  return { input: 0, cached: 0, cacheWrite: 0, output: 0, reasoning: 0, ...over };
}

Deno.test("costOf() rounds the exact sum up once", () => {
  const price = priceFrom({ input: 0.075, cached_input: 0.0375, output: 0.3 }, "t");
  // 1 input token = 75 nano-USD, 1 cached = 37.5, 1 output = 300.
  assertEquals(costOf(price, usage({ input: 1 })), 75n);
  assertEquals(costOf(price, usage({ input: 1, cached: 1 })), 38n);
  assertEquals(costOf(price, usage({ input: 2, cached: 2 })), 75n);
  assertEquals(costOf(price, usage({ input: 11, cached: 3, output: 7, reasoning: 2 })), 2813n);
});

Deno.test("costOf() prices the whole request by the tier of its input", () => {
  const entry = priceBook.find("google", "gemini-2.5-pro", NOV_2026);
  assert(entry);
  assertEquals(costOf(entry.price, usage({ input: 200_000 })), 250_000_000n);
  assertEquals(costOf(entry.price, usage({ input: 200_001 })), 500_002_500n);
});

Deno.test("ceilingRates() covers every usage inside its bounds", () => {
  const rate = fc.integer({ min: 0, max: 100_000 }).map((n) => (n / 1000).toFixed(3));
  const rates = fc.record({
    input: rate,
    cached_input: fc.option(rate),
    cache_write: fc.option(rate),
    output: rate,
    reasoning: fc.option(rate),
  });
  fc.assert(fc.property(
    rates,
    fc.array(fc.tuple(fc.integer({ min: 1, max: 300 }), rates), { maxLength: 3 }),
    fc.tuple(fc.nat(300), fc.nat(300), fc.nat(300)),
    fc.tuple(fc.nat(300), fc.nat(300)),
    (base, tiers, [plain, cached, cacheWrite], [text, reasoning]) => {
      const price = priceFrom({
        ...base,
        tiers: tiers.map(([above_input_tokens, t]) => ({ above_input_tokens, ...t })),
      }, "t");
      const input = plain + cached + cacheWrite;
      const output = text + reasoning;
      const ceiling = ceilingRates(price, input);
      const held = (BigInt(input) * ceiling.input + BigInt(output) * ceiling.output + 999_999n) /
        1_000_000n;
      assert(costOf(price, { input, cached, cacheWrite, output, reasoning }) <= held);
    },
  ));
});

Deno.test("PriceBook.find() takes the newest line in force and never guesses", () => {
  const line = { provider: "p", model: "m", output: "2" };
  const book = new PriceBook({
    format: 1,
    version: "t",
    unit: "",
    prices: [
      { ...line, input: "1", effective: "2026-01-01" },
      { ...line, input: "3", effective: "2026-06-01" },
    ],
  });
  assertEquals(book.find("p", "m", Date.UTC(2025, 11, 31)), null);
  assertEquals(book.find("p", "m", Date.UTC(2026, 4, 31))?.price.tiers[0]?.input, 1_000_000_000n);
  assertEquals(book.find("p", "m", Date.UTC(2026, 5, 1))?.price.tiers[0]?.input, 3_000_000_000n);
  assertEquals(book.find("p", "other", NOV_2026), null);
  assertEquals(book.find("__proto__", "constructor", NOV_2026), null);
});

Deno.test("PriceBook refuses a table with a wrong price", () => {
  for (const input of ["-1", "1e3", "NaN", "", "1.0000000001", 1]) {
    const prices = [{ provider: "p", model: "m", effective: "2026-01-01", input, output: "1" }];
    assertThrows(
      () => new PriceBook({ format: 1, version: "t", unit: "", prices }),
      SynthError,
      "price book",
    );
  }
});

Deno.test("priceFrom() knows what is free", () => {
  assert(priceFrom("free", "t").free);
  assert(priceFrom({ input: 0, output: 0 }, "t").free);
  assert(!priceFrom({ input: 0, output: 0, per_call: 0.001 }, "t").free);
  assert(!priceFrom({ input: 0, output: 0, cache_write: 1 }, "t").free);
  assertEquals(
    costOf(priceFrom({ input: 0, output: 0, per_call: 0.001 }, "t"), usage({})),
    1_000_000n,
  );
});
