import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import fc from "fast-check";
import { SynthError } from "./errors.ts";
import { ceilCost, costNano, formatUsd, MAX_NANO_USD, nanoToUsd, usdToNano } from "./money.ts";

Deno.test("usdToNano is exact", () => {
  const cases: [number | string, bigint][] = [
    [0, 0n],
    [-0, 0n],
    ["0.000", 0n],
    ["0e999", 0n],
    [0.1, 100_000_000n],
    [0.3, 300_000_000n],
    [20, 20_000_000_000n],
    [1e-9, 1n],
    [1.5e-7, 150n],
    ["0.000000001", 1n],
    ["0.0000000010", 1n],
    ["1e-9", 1n],
    ["12.50", 12_500_000_000n],
    ["1.25E2", 125_000_000_000n],
    ["5e+1", 50_000_000_000n],
    ["9007199.254740991", MAX_NANO_USD],
  ];
  for (const [usd, nano] of cases) assertEquals(usdToNano(usd), nano, String(usd));
});

Deno.test("usdToNano refuses what is not an exact amount", () => {
  for (
    const usd of [
      NaN,
      Infinity,
      -Infinity,
      -1,
      -1e-9,
      1e-10,
      0.1 + 0.2,
      1e21,
      9007199.254740992,
      2 ** 53,
      "",
      " 1",
      "1 ",
      "1\n",
      "+1",
      "-0",
      "-1",
      ".5",
      "5.",
      "01",
      "1,5",
      "0x10",
      "1_000",
      "$1",
      "1e",
      "1e1000",
      "1e999",
      "NaN",
      "Infinity",
      "١",
      "0.0000000001",
      "9007199.254740992",
      "1" + "0".repeat(100),
      "0." + "0".repeat(1_000_000),
    ]
  ) {
    const error = assertThrows(() => usdToNano(usd), SynthError);
    assertEquals([error.code, error.status], ["invalid_amount", 400]);
  }
});

Deno.test("usdToNano undoes nanoToUsd, up to four million dollars", () => {
  fc.assert(fc.property(fc.bigInt(0n, 4_000_000_000_000_000n), (nano) => {
    assertEquals(usdToNano(nanoToUsd(nano)), nano);
  }));
});

Deno.test("usdToNano undoes formatUsd, for every amount", () => {
  fc.assert(fc.property(fc.bigInt(0n, MAX_NANO_USD), (nano) => {
    const text = formatUsd(nano);
    assertMatch(text, /^\$\d+\.\d{2,9}$/);
    assertEquals(usdToNano(text.slice(1)), nano);
  }));
});

Deno.test("formatUsd shows at least cents and nothing superfluous", () => {
  const cases: [bigint, string][] = [
    [0n, "$0.00"],
    [1n, "$0.000000001"],
    [20_000_000_000n, "$20.00"],
    [1_500_000_000n, "$1.50"],
    [180_000n, "$0.00018"],
    [10_000_000n, "$0.01"],
    [1_000_000n, "$0.001"],
    [-2_500_000_000n, "-$2.50"],
  ];
  for (const [nano, text] of cases) assertEquals(formatUsd(nano), text);
});

Deno.test("costNano rounds up, and only when it must", () => {
  assertEquals(costNano(0, 5n), 0n);
  assertEquals(costNano(1, 1n), 1n);
  assertEquals(costNano(1_000_000, 150_000_000n), 150_000_000n);
  assertEquals(costNano(1200, 150_000_000n), 180_000n);
  assertEquals(costNano(1, 1_000_001n), 2n);
  assertEquals(costNano(10n ** 30n, 10n ** 9n), 10n ** 33n);
});

Deno.test("ceilCost rounds the exact sum up once", () => {
  assertEquals(ceilCost([]), 0n);
  assertEquals(
    ceilCost([{ tokens: 1, nanoPerMillion: 1n }, { tokens: 1, nanoPerMillion: 1n }]),
    1n,
  );
  const part = fc.record({
    tokens: fc.nat({ max: 2_000_000_000 }),
    nanoPerMillion: fc.bigInt(0n, 10n ** 15n),
  });
  fc.assert(fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
    const cost = ceilCost(parts);
    const exact = parts.reduce((sum, p) => sum + BigInt(p.tokens) * p.nanoPerMillion, 0n);
    assert(cost * 1_000_000n >= exact && (cost - 1n) * 1_000_000n < exact);
    const each = parts.reduce((sum, p) => sum + costNano(p.tokens, p.nanoPerMillion), 0n);
    assert(cost <= each && each < cost + BigInt(Math.max(1, parts.length)));
  }));
});

Deno.test("costNano refuses tokens and prices that cannot be", () => {
  const bad: [bigint | number, bigint][] = [
    [-1, 1n],
    [1.5, 1n],
    [NaN, 1n],
    [Infinity, 1n],
    [
      2 ** 53,
      1n,
    ],
    [-1n, 1n],
    [1, -1n],
  ];
  for (const [tokens, nanoPerMillion] of bad) {
    for (
      const fn of [
        () => costNano(tokens, nanoPerMillion),
        () => ceilCost([{ tokens, nanoPerMillion }]),
      ]
    ) assertEquals(assertThrows(fn, SynthError).code, "invalid_tokens");
  }
});
