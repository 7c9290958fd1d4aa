import { assert, assertEquals, assertThrows } from "@std/assert";
import { SynthError } from "@synth/core";
import fc from "fast-check";
import { MAX_LIMIT } from "../limits.ts";
import { wireAmount } from "../refusal.ts";
import { type AmountRules, METRIC_OF, parseAmount } from "./amounts.ts";

const EXACT: AmountRules = {
  round: "exact",
  max: MAX_LIMIT,
  code: "invalid_limit",
  param: "limits[0].limit_value",
};

Deno.test("parseAmount() reads decimals as they are written, not as the double behind them", () => {
  assertEquals(parseAmount("cost_usd", 0.1, EXACT), 100_000_000n);
  assertEquals(parseAmount("cost_usd", "0.000000001", EXACT), 1n);
  assertEquals(parseAmount("cost_usd", 1e-9, EXACT), 1n);
  assertEquals(parseAmount("cost_usd", "1e2", EXACT), 100_000_000_000n);
  assertEquals(parseAmount("cost_usd", "9007199.254740991", EXACT), MAX_LIMIT);
  assertEquals(parseAmount("gpu_hours", 0.1, EXACT), 360_000n);
  assertEquals(parseAmount("gpu_hours", "0.00001", EXACT), 36n);
  assertEquals(parseAmount("gpu_seconds", 0.001, EXACT), 1n);
  assertEquals(parseAmount("tokens", 9007199254740991, EXACT), MAX_LIMIT);
  assertEquals(parseAmount("tokens", "5.0", EXACT), 5n);
  assertEquals(parseAmount("api_calls", 0, EXACT), 0n);
  assertEquals(parseAmount("api_calls", -0, EXACT), 0n);
});

Deno.test("parseAmount() refuses what is no amount, naming the field", () => {
  const wrong = [
    ["cost_usd", NaN],
    ["cost_usd", Infinity],
    ["cost_usd", -1],
    ["cost_usd", "-0.1"],
    ["cost_usd", ""],
    ["cost_usd", "1,5"],
    ["cost_usd", "0x10"],
    ["cost_usd", " 1"],
    ["cost_usd", "1e"],
    ["cost_usd", "1e9999"],
    ["cost_usd", "0".repeat(65)],
    ["cost_usd", "0.0000000001"],
    ["cost_usd", "9007199.254740992"],
    ["tokens", 1.5],
    ["tokens", "9007199254740992"],
    ["tokens", "1e300"],
    ["gpu_hours", "0.0000001"],
    ["gpu_seconds", "0.0001"],
  ] as const;
  for (const [unit, value] of wrong) {
    const error = assertThrows(() => parseAmount(unit, value, EXACT), SynthError);
    assert(error instanceof SynthError, `${unit} ${value}`);
    assertEquals([error.code, error.status], ["invalid_limit", 400]);
    assertEquals(error.param, "limits[0].limit_value");
  }
});

Deno.test("parseAmount() counts a measured amount at the next larger unit", () => {
  const up: AmountRules = { ...EXACT, round: "up" };
  assertEquals(parseAmount("cost_usd", 0.1 + 0.2, up), 300_000_001n);
  assertEquals(parseAmount("gpu_hours", 1 / 3, up), 1_200_000n);
  assertEquals(parseAmount("tokens", "1e-300", up), 1n);
  assertEquals(parseAmount("tokens", 7, up), 7n);
});

Deno.test("limit amounts come back from the wire as they were sent", () => {
  const micro = fc.bigInt({ min: 0n, max: 4_000_000_000_000n });
  fc.assert(fc.property(micro, (amount) => {
    // Up to four million dollars, to the micro-dollar: as a number, as a string, and as the answer sent again.
    const text = `${amount / 1_000_000n}.${String(amount % 1_000_000n).padStart(6, "0")}`;
    const nano = parseAmount("cost_usd", text, EXACT);
    assertEquals(nano, amount * 1000n);
    assertEquals(wireAmount("cost", nano), Number(text));
    assertEquals(parseAmount("cost_usd", wireAmount("cost", nano), EXACT), nano);
  }));
  const hundredths = fc.integer({ min: 0, max: 100_000_000 });
  fc.assert(fc.property(hundredths, (amount) => {
    const hours = amount / 100;
    const ms = parseAmount("gpu_hours", hours, EXACT);
    assertEquals(wireAmount(METRIC_OF.gpu_hours, ms), hours);
    assertEquals(parseAmount("gpu_hours", wireAmount("gpu_time", ms), EXACT), ms);
  }));
  fc.assert(fc.property(fc.maxSafeNat(), (count) => {
    assertEquals(wireAmount("tokens", parseAmount("tokens", count, EXACT)), count);
  }));
});
