import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type TurnUsage, usageBeside, UsageMeter } from "./usage.ts";

const BYTES = { input: 40, output: 8, reasoning: 4 };

/** Input, cached, output, reasoning and whether both were reported. */
function read(...usages: unknown[]): [number, number, number, number, boolean] {
  const meter = new UsageMeter();
  usages.forEach((usage) => meter.take(usage));
  const u = check(meter.read(BYTES));
  return [u.inputTokens, u.cachedTokens, u.outputTokens, u.reasoningTokens, u.reported];
}

function check(usage: TurnUsage): TurnUsage {
  for (const value of Object.values(usage)) {
    if (typeof value !== "boolean") assert(Number.isSafeInteger(value) && value >= 0);
  }
  assertEquals(usage.totalTokens, usage.inputTokens + usage.outputTokens);
  assert(usage.cachedTokens + usage.cacheWriteTokens <= usage.inputTokens);
  assert(usage.reasoningTokens <= usage.outputTokens);
  return usage;
}

Deno.test("UsageMeter reads what servers report", () => {
  const plain = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };
  assertEquals(read(plain), [11, 0, 7, 0, true]);
  assertEquals(read({ input_tokens: 11, output_tokens: 7 }), [11, 0, 7, 0, true]);
  assertEquals(read({ ...plain, prompt_cache_hit_tokens: 4 }), [11, 4, 7, 0, true]);
  assertEquals(read({ ...plain, prompt_tokens_details: { cached_tokens: 3 } }), [
    11,
    3,
    7,
    0,
    true,
  ]);
  assertEquals(read(plain, { ...plain, completion_tokens: 9 }), [11, 0, 9, 0, true]);
  assertEquals(read(plain, null, "x", {}, []), [11, 0, 7, 0, true]);
  assertEquals(read({ prompt_tokens: "11", completion_tokens: "7" }), [11, 0, 7, 0, true]);
  assertEquals(read({ prompt_tokens: 10.2, completion_tokens: 7 }), [11, 0, 7, 0, true]);
});

Deno.test("UsageMeter adds what only the total knows to the output", () => {
  const xai = {
    prompt_tokens: 307,
    completion_tokens: 26,
    total_tokens: 560,
    completion_tokens_details: { reasoning_tokens: 227 },
  };
  assertEquals(read(xai), [307, 0, 253, 227, true]);
  assertEquals(read({ ...xai, completion_tokens_details: null }), [307, 0, 253, 227, true]);
});

Deno.test("UsageMeter estimates what is missing, and what is a lie is missing", () => {
  assertEquals(read(), [10, 0, 2, 1, false]);
  const lies = [0, -1, NaN, Infinity, 1e15, "7e3", "-7", "", true, [7], {}, null, undefined];
  for (const lie of lies) {
    assertEquals(read({ prompt_tokens: 11, completion_tokens: lie }), [11, 0, 2, 1, false]);
    assertEquals(read({ prompt_tokens: lie, completion_tokens: 7 }), [10, 0, 7, 0, false]);
    assertEquals(
      read({ prompt_tokens: 11, completion_tokens: 7, total_tokens: lie }),
      [11, 0, 7, 0, true],
    );
  }
});

Deno.test("UsageMeter believes a zero when there is nothing to count", () => {
  const meter = new UsageMeter();
  meter.take({ prompt_tokens: 11, completion_tokens: 0 });
  const usage = check(meter.read({ input: 40, output: 0, reasoning: 0 }));
  assertEquals([usage.outputTokens, usage.reported], [0, true]);
});

Deno.test("UsageMeter gives complete and consistent counts for any report", () => {
  const value = fc.oneof(
    fc.integer(),
    fc.double(),
    fc.constantFrom(null, "5", "x", true, 1e9, 1e9 + 1, Number.MAX_SAFE_INTEGER),
  );
  const details = fc.record(
    { cached_tokens: value, cache_write_tokens: value, reasoning_tokens: value },
    { requiredKeys: [] },
  );
  const report = fc.record({
    prompt_tokens: value,
    completion_tokens: value,
    total_tokens: value,
    prompt_tokens_details: details,
    completion_tokens_details: details,
  }, { requiredKeys: [] });
  fc.assert(fc.property(fc.array(report, { maxLength: 3 }), (reports) => {
    const meter = new UsageMeter();
    reports.forEach((one) => meter.take(one));
    check(meter.read(BYTES));
  }));
});

Deno.test("UsageMeter knows what came after the last count, and a total without parts", () => {
  const meter = new UsageMeter();
  assertEquals(meter.uncounted(50), 0, "all of it is estimated");
  meter.take({ prompt_tokens: 10, completion_tokens: 1 }, 4);
  assertEquals(meter.uncounted(50), 46);
  meter.take({ prompt_tokens: 10, completion_tokens: 1 }, 30);
  assertEquals(meter.uncounted(50), 46, "the same count again counts no more");
  meter.take({ prompt_tokens: 10, completion_tokens: 9 }, 50);
  assertEquals(meter.uncounted(50), 0);
  const total = new UsageMeter();
  total.take({ total_tokens: 77 });
  assertEquals(total.read(BYTES).statedTotal, 77);
});

Deno.test("usageBeside() finds what was billed beside an error", () => {
  const error = { message: "cut off" };
  assertEquals(usageBeside({ error }), null);
  assertEquals(usageBeside({ error, usage: { prompt_tokens: 0, completion_tokens: 0 } }), null);
  assertEquals(usageBeside({ error, usage: { prompt_tokens: 5 } })?.inputTokens, 5);
  assertEquals(usageBeside({ error, usage: { total_tokens: 5 } })?.statedTotal, 5);
});
