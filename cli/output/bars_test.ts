import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Limit, SessionObject } from "@synth/core/api";
import { unicodeWidth } from "@std/cli/unicode-width";
import { BAR_STYLES, barLines } from "./bars.ts";

const LIMIT: Limit = {
  limit_id: "cost_usd",
  scope: "session",
  limit_type: "hard",
  metric_type: "cost_usd",
  limit_value: 10,
  current_usage: 5,
  held: 2.5,
  remaining: 2.5,
  overrun: 0,
  warning_threshold: null,
  window_seconds: null,
  exceeded: false,
  exceeded_reason: null,
  exceeded_at: null,
  created_at: null,
  expires_at: null,
};

function lines(limit: Partial<Limit>, width: number): string[] {
  const session = {
    session_id: "sess_00000000000000000000000000",
    status: "active",
    limits: [{ ...LIMIT, ...limit }],
  } as unknown as SessionObject;
  return barLines(session, BAR_STYLES.ascii, { getColorDepth: () => 1 }, width);
}

Deno.test("barLines shows what is used, held and left", () => {
  const bar = `${"#".repeat(20)}${"+".repeat(10)}${".".repeat(10)}`;
  assertStringIncludes(lines({}, 120)[1] ?? "", `${bar}  $5.00 of $10.00 +$2.50 held`);
  assertStringIncludes(lines({ limit_value: 0, held: 0 }, 120)[1] ?? "", "#".repeat(40));
  assertStringIncludes(lines({ current_usage: 20 }, 120)[1] ?? "", "#".repeat(40));
});

Deno.test("barLines fits every width", () => {
  for (let width = 1; width < 100; width++) {
    for (const line of lines({}, width)) assert(unicodeWidth(line) <= width, `${width}: ${line}`);
  }
  assertEquals(lines({}, 42)[1], "cost      $5.00 of $10.00 +$2.50 held");
});
