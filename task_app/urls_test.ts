import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { SynthError } from "@synth/core";
import { normalizeInferenceUrl, validateTaskAppUrl } from "./urls.ts";

Deno.test("normalizeInferenceUrl completes the path and keeps the query", () => {
  const table: [string | null | undefined, string][] = [
    [null, "https://api.openai.com/v1/chat/completions"],
    [undefined, "https://api.openai.com/v1/chat/completions"],
    ["  ", "https://api.openai.com/v1/chat/completions"],
    ["https://host", "https://host/v1/chat/completions"],
    ["https://host/", "https://host/v1/chat/completions"],
    ["https://host?cid=t", "https://host/v1/chat/completions?cid=t"],
    ["https://host/v1", "https://host/v1/chat/completions"],
    ["https://host/v1/", "https://host/v1/chat/completions"],
    ["https://host/api/v2", "https://host/api/v2/chat/completions"],
    ["https://host/v1/chat", "https://host/v1/chat/completions"],
    ["https://host/v1/chat/completions/", "https://host/v1/chat/completions"],
    ["https://host/v1/chat/completions?a=1&cid=t", "https://host/v1/chat/completions?a=1&cid=t"],
    ["https://host/v1/trace_1/chat/completions", "https://host/v1/trace_1/chat/completions"],
    ["https://host/base?x=1#f", "https://host/base/v1/chat/completions?x=1#f"],
    // A path that was appended to the query.
    ["https://host?cid=x/v1/chat/completions", "https://host/v1/chat/completions?cid=x"],
    ["https://host/?cid=x/chat/completions", "https://host/chat/completions?cid=x"],
    ["https://host/v1?cid=x/chat/completions", "https://host/v1/chat/completions?cid=x"],
    ["https://host/v1?cid=x/v1/chat/completions", "https://host/v1/chat/completions?cid=x"],
    ["https://host?cid=x/v1/chat/completions/", "https://host/v1/chat/completions?cid=x"],
    ["https://host?cid=x/v1", "https://host/v1/chat/completions?cid=x"],
    [
      "https://host?a=1&cid=x/v1/chat/completions&b=2",
      "https://host/v1/chat/completions?a=1&cid=x&b=2",
    ],
    ["https://host?cid=x/v1/chat/completions?b=2", "https://host/v1/chat/completions?cid=x&b=2"],
    [
      "https://host/v1/chat/completions?cid=x/v1/chat/completions",
      "https://host/v1/chat/completions?cid=x",
    ],
    // A value that has a path of its own is left alone.
    ["https://host?next=/v1", "https://host/v1/chat/completions?next=/v1"],
  ];
  for (const [url, expected] of table) {
    assertEquals(normalizeInferenceUrl(url), expected, String(url));
  }
  assertEquals(normalizeInferenceUrl("", "https://mine/v1"), "https://mine/v1");
});

Deno.test("normalizeInferenceUrl is idempotent, and takes linear time", () => {
  const part = fc.constantFrom(
    "/",
    "v1",
    "chat",
    "completions",
    "?",
    "&",
    "cid=",
    "#",
    "a=1",
    "h",
    "",
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      const once = normalizeInferenceUrl(`https://host${parts.join("")}`);
      assertEquals(normalizeInferenceUrl(once), once);
    }),
    { numRuns: 1000 },
  );
  for (const text of ["/", "&", "?cid=", "/v1", "a"]) {
    const long = `https://host?cid=${text.repeat(200_000)}`;
    assert(normalizeInferenceUrl(long).startsWith("https://host"));
  }
});

Deno.test("validateTaskAppUrl takes the hosts that URLs have", () => {
  const table: [string, string][] = [
    ["http://localhost:8001", "http://localhost:8001"],
    ["http://127.0.0.1:8114/", "http://127.0.0.1:8114"],
    ["https://example.com///", "https://example.com"],
    ["  https://example.com/base/ ", "https://example.com/base"],
    ["http://[::1]:8001/", "http://[::1]:8001"],
    ["http://[2001:db8::1]", "http://[2001:db8::1]"],
    ["https://my_app.example.com", "https://my_app.example.com"],
    ["https://app.photography.international:444/x", "https://app.photography.international:444/x"],
    ["https://task_app:9000", "https://task_app:9000"],
    ["https://a-b.trycloudflare.com", "https://a-b.trycloudflare.com"],
  ];
  for (const [url, expected] of table) assertEquals(validateTaskAppUrl(url), expected);
});

Deno.test("validateTaskAppUrl refuses what is none", () => {
  const bad = [
    "",
    " ",
    "example.com",
    "ftp://example.com",
    "http://",
    "http:///x",
    "http://exa mple.com",
    "http://user:secret@example.com",
    "http://example.com:99999",
    "http://example.com?x=1",
    "http://example.com/#",
    "http://[::1",
    "http://-x.com",
    "http://a..b",
    "http://example.com\\@evil.com",
    "http://exam\nple.com",
    "javascript:alert(1)",
    `http://${"a".repeat(64)}.com`,
    `http://example.com/${"a".repeat(1_000_000)}`,
  ];
  for (const url of bad) {
    const error = assertThrows(() => validateTaskAppUrl(url), SynthError, undefined, url);
    assertEquals(error.code, "invalid_task_app_url");
    assert(!error.message.includes("secret"));
  }
});

Deno.test("validateTaskAppUrl gives what it takes again", () => {
  fc.assert(
    fc.property(fc.webUrl({ validSchemes: ["http", "https"] }), fc.nat(3), (url, slashes) => {
      const valid = validateTaskAppUrl(url + "/".repeat(slashes));
      assertEquals(validateTaskAppUrl(valid), valid);
      assert(!valid.endsWith("/"));
      assertEquals(new URL(valid).host, new URL(url).host);
    }),
  );
});
