import { assertEquals, assertThrows } from "@std/assert";
import { amount, parseAmount, parseCount, parseDuration, usd } from "./amounts.ts";

Deno.test("usd shows small amounts with as many decimals as they need", () => {
  const shown = [0, 0.000001, 0.0123, 1, 1234.5].map(usd);
  assertEquals(shown, ["$0.00", "$0.000001", "$0.0123", "$1.00", "$1,234.50"]);
  assertEquals(amount("gpu_hours", 1.5), "1.5000 h");
  assertEquals(amount("tokens", 1_234_567), "1,234,567");
});

Deno.test("parseDuration reads times and nothing else", () => {
  assertEquals(["90", "90s", "30m", "24h", "7d", "0.5s"].map(parseDuration), [
    90,
    90,
    1800,
    86_400,
    604_800,
    0.5,
  ]);
  for (const bad of ["", "0", "-1", "1w", "soon", "1e3", "1h30m"]) {
    assertThrows(() => parseDuration(bad), Error, "write a time");
  }
});

Deno.test("parseAmount and parseCount keep exact decimals and take 0", () => {
  assertEquals([parseAmount("0"), parseAmount("0.000000001"), parseCount("0")], [
    "0",
    "0.000000001",
    "0",
  ]);
  for (const bad of ["-1", "1e3", "", "1.", ".5", "0.0000000001", "NaN"]) {
    assertThrows(() => parseAmount(bad), Error);
  }
  assertThrows(() => parseCount("1.5"), Error);
});
