import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { amountText, countText, nameText, percent, roundedCost, timeText } from "./format.ts";

Deno.test("amountText and countText read as people write", () => {
  assertEquals(amountText("cost", 1_234_500_000n), "$1.2345");
  assertEquals(amountText("tokens", 1234567n), "1,234,567");
  assertEquals(amountText("gpu_time", 5_400_000n), "1.5 h");
  assertEquals(amountText("cost", 9_007_199_254_740_991n), "$9,007,199.254740991");
  assertEquals(amountText("gpu_time", 36_000_000_000n), "10,000 h");
  assertEquals([countText(0), countText(999), countText(1000n)], ["0", "999", "1,000"]);
  assertEquals(timeText(Date.UTC(2026, 10, 22, 3, 4, 5)), "2026-11-22 03:04:05");
});

Deno.test("roundedCost is short, and never nothing for something", () => {
  const texts: [bigint, string][] = [
    [0n, "$0.00"],
    [1n, "< $0.0001"],
    [50_000n, "$0.0001"],
    [123_456_789n, "$0.1235"],
    [999_999_999n, "$1.00"],
    [1_005_000_000n, "$1.01"],
    [3_639_853_488_855n, "$3,639.85"],
    [9_007_199_254_740_991n, "$9,007,199.25"],
  ];
  for (const [nano, text] of texts) assertEquals(roundedCost(nano), text);
});

Deno.test("percent stays between 0 and 100, whatever it is asked", () => {
  assertEquals([percent(1n, 3n), percent(5n, 4n), percent(0n, 0n), percent(1n, 0n)], [
    33.3,
    100,
    0,
    100,
  ]);
  fc.assert(fc.property(fc.bigInt(), fc.bigInt(), (part, whole) => {
    const share = percent(part, whole);
    assert(share >= 0 && share <= 100);
  }));
});

Deno.test("nameText keeps names to one line in one direction, and short", () => {
  assertEquals(
    nameText("a\r\nb\u202Ec\u2028d\u0000"),
    "a b\u{FFFD}c d\u{FFFD}",
  );
  assertEquals(nameText("ad\u200Dmin \u200D"), "ad\u{FFFD}min \u{FFFD}");
  const family = "\u{1F469}\u{1F3FD}\u200D\u2764\uFE0F\u200D\u{1F469}";
  assertEquals(nameText(family), family);
  assertEquals(nameText("Gr\u00FC\u00DFe \u{1F600}"), "Gr\u00FC\u00DFe \u{1F600}");
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 2000 }), (name) => {
    const text = nameText(name);
    assert([...text].length <= 80);
    assert(!/(?!\u200D)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text));
  }));
});
