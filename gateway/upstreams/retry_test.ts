import { assertEquals, assertFalse } from "@std/assert";
import {
  decideRetry,
  maybeBilled,
  RETRY_BUDGET_MS,
  retryAfterMs,
  type UpstreamFailure,
} from "./retry.ts";
import { TransportError } from "./transport.ts";

function http(status: number, headers: [string, string][] = [], body = ""): UpstreamFailure {
  return { kind: "http", status, headers: new Map(headers), body };
}

function network(phase: TransportError["phase"], kind: TransportError["kind"]): UpstreamFailure {
  return { kind: "network", error: new TransportError("x", { phase, kind }) };
}

Deno.test("decideRetry keeps the lease where nothing was billed", () => {
  for (
    const failure of [
      http(429),
      http(503),
      http(408),
      network("connect", "dns"),
      network("connect", "timeout"),
      network("connect", "tls"),
    ]
  ) {
    assertEquals(decideRetry(failure, 1, 0, 0.5), { lease: "same", delayMs: 250 });
    assertEquals(decideRetry(failure, 2, 250, 0.5), { lease: "same", delayMs: 500 });
    assertEquals(decideRetry(failure, 3, 750, 0.5), null);
  }
});

Deno.test("decideRetry wants a new lease, once, where it may have been billed", () => {
  for (
    const failure of [
      http(500),
      http(502),
      http(504),
      network("sent", "reset"),
      network("body", "reset"),
    ]
  ) {
    assertEquals(decideRetry(failure, 1, 0, 0.5)?.lease, "new");
    assertEquals(decideRetry(failure, 2, 0, 0.5), null);
  }
});

Deno.test("decideRetry gives up what will not pass", () => {
  for (
    const failure of [
      http(400),
      http(401),
      http(404),
      http(301),
      http(501),
      network("sent", "timeout"),
      network("sent", "aborted"),
      network("connect", "aborted"),
      network("sent", "protocol"),
      http(429, [], "insufficient_quota"),
    ]
  ) {
    assertEquals(decideRetry(failure, 1, 0, 0.5), null);
  }
});

Deno.test("decideRetry honours Retry-After within the budget", () => {
  assertEquals(decideRetry(http(429, [["retry-after", "3"]]), 1, 0, 0)?.delayMs, 3000);
  assertEquals(decideRetry(http(429, [["retry-after", "11"]]), 1, 0, 0), null);
  assertEquals(decideRetry(http(429, [["retry-after", "3"]]), 1, RETRY_BUDGET_MS - 2999, 0), null);
});

Deno.test("retryAfterMs reads seconds and milliseconds and nothing else", () => {
  assertEquals(retryAfterMs(new Map([["retry-after", "1.5"]])), 1500);
  assertEquals(retryAfterMs(new Map([["retry-after", "9"], ["retry-after-ms", "20"]])), 20);
  for (const value of ["-1", "soon", "NaN"]) {
    assertEquals(retryAfterMs(new Map([["retry-after", value]])), null);
  }
  assertEquals(retryAfterMs(new Map()), null);
});

Deno.test("maybeBilled is false only for what was surely not processed", () => {
  assertFalse(maybeBilled(http(400)));
  assertFalse(maybeBilled(http(429)));
  assertFalse(maybeBilled(http(503)));
  assertFalse(maybeBilled(network("connect", "reset")));
  assertEquals([500, 502, 504, 529, 302].map((status) => maybeBilled(http(status))), [
    true,
    true,
    true,
    true,
    true,
  ]);
});
