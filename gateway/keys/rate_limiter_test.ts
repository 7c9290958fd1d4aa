import { assertEquals, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import { FakeClock, SynthError } from "@synth/core";
import type { Principal } from "@synth/core/auth";
import { type RateDefaults, RateLimiter } from "./rate_limiter.ts";

function principal(keyId: string, limits: Partial<Principal> = {}): Principal {
  return { org: "o", user: "u", keyId, scopes: new Set(["infer"]), expiresAt: null, ...limits };
}

function limiter(defaults: Partial<RateDefaults> = {}) {
  const clock = new FakeClock();
  const refused: string[] = [];
  const all = { requestsPerMinute: null, maxStreams: null, ...defaults };
  const observer = { rateLimited: (limit: string) => void refused.push(limit) };
  return { clock, refused, rates: new RateLimiter(clock, () => all, observer) };
}

Deno.test("RateLimiter admit counts each key for itself and refuses with the time to wait", async () => {
  const { clock, refused, rates } = limiter({ requestsPerMinute: 2 });
  const a = principal("key_a");
  assertEquals(rates.admit(a), {
    "x-ratelimit-limit-requests": "2",
    "x-ratelimit-remaining-requests": "1",
    "x-ratelimit-reset-requests": "1m1s",
  });
  await clock.tick(10_000);
  rates.admit(a);
  rates.admit(principal("key_b"));
  const error = assertThrows(() => rates.admit(a), SynthError) as SynthError;
  assertEquals([error.code, error.status, error.type], ["rate_limited", 429, "rate_limit_error"]);
  assertEquals(error.headers["retry-after"], "51");
  assertEquals(error.headers["x-ratelimit-remaining-requests"], "0");
  assertEquals(refused, ["requests"]);
  await clock.tick(51_000);
  rates.admit(a);
});

Deno.test("RateLimiter admit prefers the key's own limit to the default", () => {
  const { rates } = limiter({ requestsPerMinute: 1 });
  const own = principal("key_a", { requestsPerMinute: 3 });
  for (let i = 0; i < 3; i++) rates.admit(own);
  assertThrows(() => rates.admit(own), SynthError);
  const none = limiter();
  for (let i = 0; i < 100; i++) assertEquals(none.rates.admit(principal("key_a")), null);
});

Deno.test("RateLimiter openStream never exceeds the limit and loses no slot", () => {
  const commands = fc.array(fc.tuple(fc.nat(2), fc.boolean(), fc.nat(50)), { maxLength: 300 });
  fc.assert(
    fc.property(commands, fc.integer({ min: 0, max: 4 }), (steps, maxStreams) => {
      const { rates } = limiter({ maxStreams });
      const open: (() => void)[][] = [[], [], []];
      const ended: (() => void)[] = [];
      for (const [key, opens, which] of steps) {
        const mine = open[key] ?? [];
        if (opens) {
          const full = mine.length >= maxStreams;
          if (full) assertThrows(() => rates.openStream(principal(`key_${key}`)), SynthError);
          else mine.push(rates.openStream(principal(`key_${key}`)));
        } else {
          const [end] = mine.splice(which % Math.max(1, mine.length), 1);
          end?.();
          if (end !== undefined) ended.push(end);
          // Ending twice gives no second slot.
          ended[which % Math.max(1, ended.length)]?.();
        }
        assertEquals(rates.streamsOpen, open.flat().length);
      }
    }),
    { numRuns: 200 },
  );
});

Deno.test("RateLimiter tells nobody to try again where the limit is 0", () => {
  const { rates } = limiter({ requestsPerMinute: 0, maxStreams: 0 });
  const key = principal("key_a");
  for (const ask of [() => rates.admit(key), () => rates.openStream(key)]) {
    const error = assertThrows(ask, SynthError) as SynthError;
    assertEquals([error.code, error.status], ["rate_limited", 429]);
    assertEquals(error.headers["retry-after"], undefined);
    assertEquals(error.headers["x-should-retry"], "false");
    assertEquals(error.message.includes("try again"), false, error.message);
  }
});

Deno.test("RateLimiter forgets no key whose streams are open, however many others come", async () => {
  const { clock, rates } = limiter({ requestsPerMinute: 5 });
  const busy = principal("key_busy", { maxStreams: 1 });
  rates.admit(busy);
  const end = rates.openStream(busy);
  await clock.tick(61_000);
  for (let n = 0; n < 10_050; n++) rates.admit(principal(`key_${n}`));
  assertThrows(() => rates.openStream(busy), SynthError);
  end();
  rates.openStream(busy)();
  assertEquals(rates.streamsOpen, 0);
});
