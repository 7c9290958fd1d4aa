import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  streamError,
  streamErrorOf,
  upstreamBodyError,
  upstreamHttpError,
} from "./upstream_error.ts";

function answer(status: number, body: unknown, headers: Record<string, string> = {}) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return upstreamHttpError({ status, headers: new Map(Object.entries(headers)), body: text });
}

function said(message: string, code?: string | number) {
  return { error: { message, ...(code === undefined ? {} : { code }) } };
}

Deno.test("upstreamHttpError gives each refusal the status and code that clients act on", () => {
  const table: [number, unknown, number, string][] = [
    [
      400,
      said("This model's maximum context length is 8192 tokens"),
      400,
      "context_length_exceeded",
    ],
    [400, said("prompt is too long: 300000 tokens"), 400, "context_length_exceeded"],
    [400, said("the request exceeds the available n_ctx"), 400, "context_length_exceeded"],
    [400, said("x", "context_length_exceeded"), 400, "context_length_exceeded"],
    [500, said("context window exceeded"), 400, "context_length_exceeded"],
    [413, "too large", 400, "context_length_exceeded"],
    [400, said("bad", "bad_thing"), 400, "bad_thing"],
    [400, said("bad", "Bad Thing!"), 400, "upstream_rejected"],
    [404, said("no such model"), 400, "upstream_rejected"],
    [422, { detail: "field required" }, 400, "upstream_rejected"],
    [401, said("Incorrect API key provided: sk-hint"), 502, "upstream_auth"],
    [403, said("forbidden"), 502, "upstream_auth"],
    [402, said("Insufficient credit"), 429, "insufficient_quota"],
    [429, said("You exceeded your current quota"), 429, "insufficient_quota"],
    [429, said("x", "insufficient_quota"), 429, "insufficient_quota"],
    [429, said("slow down"), 429, "rate_limit_exceeded"],
    [429, said("too many tokens per minute"), 429, "rate_limit_exceeded"],
    [408, "", 502, "upstream_error"],
    [500, said("oops"), 502, "upstream_error"],
    [503, "<html>busy</html>", 502, "upstream_error"],
    [529, said("overloaded"), 502, "upstream_error"],
  ];
  for (const [status, body, expected, code] of table) {
    const error = answer(status, body);
    assertEquals([error.status, error.code], [expected, code], JSON.stringify([status, body]));
    assert(error.message !== "");
  }
});

Deno.test("upstreamHttpError always says when to come back after a rate limit", () => {
  const after = (headers: Record<string, string>) =>
    answer(429, said("slow"), headers).headers["retry-after"];
  assertEquals(after({}), "2");
  assertEquals(after({ "retry-after": "30" }), "30");
  assertEquals(after({ "retry-after": "0.2" }), "1");
  assertEquals(after({ "retry-after-ms": "1500" }), "2");
  assertEquals(after({ "retry-after": "1e99" }), "86400");
  assertEquals(after({ "retry-after": "soon\r\nx: y" }), "2");
  assertMatch(answer(429, said("slow"), { "retry-after": "7" }).message, /try again in 7s/);
  assertEquals(answer(429, said("Please try again in 3s.")).message, "Please try again in 3s.");
});

Deno.test("upstreamHttpError shows neither keys nor pages nor control characters", () => {
  assert(!answer(401, said("key sk-proj-abcdefghijklmnopqrstuvwx")).message.includes("sk-"));
  const key = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789";
  assert(!answer(400, said(`Authorization: Bearer ${key}`)).message.includes(key));
  assertEquals(answer(500, "<html>x</html>").message, "The upstream answered with status 500");
  assertEquals(answer(400, said("a\r\n\u0000b\ud83d")).message, "a b\ufffd");
  assert(answer(400, said("x".repeat(100_000))).message.length <= 2000);
});

Deno.test("streamError gives only codes that clients know", () => {
  const table: [unknown, string][] = [
    ["it broke", "server_error"],
    [{ message: "it broke", code: 502 }, "server_error"],
    [{ message: "it broke", code: "weird" }, "server_error"],
    [{ message: "slow", code: 429 }, "rate_limit_exceeded"],
    [{ message: "slow", code: "429" }, "rate_limit_exceeded"],
    [{ message: "slow", type: "rate_limit_error" }, "rate_limit_exceeded"],
    [{ message: "no money", code: 402 }, "insufficient_quota"],
    [{ message: "bad", code: 400 }, "invalid_prompt"],
    [{ message: "bad", type: "invalid_request_error" }, "invalid_prompt"],
    [{ message: "maximum context length is 10" }, "context_length_exceeded"],
    [
      { message: "Provider error", code: 400, metadata: { raw: "prompt is too long" } },
      "context_length_exceeded",
    ],
    [{ error: { message: "x", code: 429 } }, "rate_limit_exceeded"],
    [null, "server_error"],
    [{}, "server_error"],
    [[], "server_error"],
  ];
  for (const [raw, code] of table) {
    const error = streamError(raw);
    assertEquals(error.code, code, JSON.stringify(raw));
    assert(error.message !== "");
  }
  assertEquals(streamErrorOf({ code: "upstream_auth", message: "m" }).code, "server_error");
  assertEquals(streamErrorOf({ code: "invalid_prompt", message: "m" }).code, "invalid_prompt");
});

Deno.test("upstreamBodyError finds the error in a 200", () => {
  assertEquals(upstreamBodyError({ choices: [] }), null);
  assertEquals(upstreamBodyError({ error: null, choices: [] }), null);
  assertEquals(upstreamBodyError({ error: { message: "x", code: 429 } })?.status, 429);
  assertEquals(upstreamBodyError({ error: { message: "x" } })?.status, 502);
  assertEquals(upstreamBodyError({ object: "error", message: "x", code: 400 })?.status, 400);
  assertEquals(upstreamBodyError({ error: "x" })?.message, "x");
  for (
    const [error, status, code] of [
      [{ code: "rate_limit_exceeded" }, 429, "rate_limit_exceeded"],
      [{ type: "rate_limit_error" }, 429, "rate_limit_exceeded"],
      [{ code: "insufficient_quota" }, 429, "insufficient_quota"],
      [{ type: "invalid_request_error", code: "bad_value" }, 400, "bad_value"],
      [{ code: "context_length_exceeded" }, 400, "context_length_exceeded"],
      [{ code: "invalid_api_key" }, 502, "upstream_auth"],
      [{ code: "server_error" }, 502, "upstream_error"],
    ] as const
  ) {
    const told = upstreamBodyError({ error: { message: "x", ...error } });
    assertEquals([told?.status, told?.code], [status, code]);
  }
});

Deno.test("upstreamHttpError does not take an upstream's error type for its code", () => {
  const body = JSON.stringify({
    error: { message: "no", type: "invalid_request_error", code: null },
  });
  const error = upstreamHttpError({ status: 400, headers: new Map(), body });
  assertEquals(error.code, "upstream_rejected");
});
