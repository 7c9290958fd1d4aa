import { assert, assertEquals, assertFalse } from "@std/assert";
import fc from "fast-check";
import { SynthError } from "./errors.ts";
import {
  isSecretName,
  REDACTED,
  redactHeaders,
  redactJson,
  redactText,
  SecretSet,
} from "./redact.ts";

const R = REDACTED;

Deno.test("redactText masks", async (t) => {
  const cases: [name: string, text: string, expected: string][] = [
    ["bearer tokens", "sent Bearer abc.def-123 to x", `sent Bearer ${R} to x`],
    ["an authorization header", "Authorization: Bearer abc123def", `Authorization: Bearer ${R}`],
    ["basic credentials", "authorization: Basic dTpw", `authorization: Basic ${R}`],
    ["other schemes", "authorization: Token a b c\nnext", `authorization: ${R}\nnext`],
    ["cookies to the end of the line", "Cookie: a=b; c=d\nnext", `Cookie: ${R}\nnext`],
    ["OpenAI keys", "key sk-proj-abcdefghijklmnop1234 is bad", `key ${R} is bad`],
    ["our keys", `with sk_synth_${"aB3_-".repeat(9)}.`, `with ${R}.`],
    ["Google keys", `AIza${"x".repeat(35)}`, R],
    ["Groq keys", `gsk_${"x".repeat(30)}`, R],
    ["Hugging Face keys", `hf_${"x".repeat(30)}`, R],
    ["GitHub keys", `ghp_${"x".repeat(36)}`, R],
    ["AWS ids", "AKIAABCDEFGHIJKLMNOP", R],
    ["Slack keys", "xoxb-123456789012-abc", R],
    ["JWTs", `got eyJhbGciOiJI.eyJzdWIiOiIxIn0.c2ln_x`, `got ${R}`],
    [
      "PEM keys",
      "a -----BEGIN EC PRIVATE KEY-----\nMII\n-----END EC PRIVATE KEY----- b",
      `a ${R} b`,
    ],
    ["PEM keys cut off", "-----BEGIN PRIVATE KEY-----\nMII", R],
    ["URL userinfo", "redis://default:pa$s@w0rd@h:6379/0 down", `redis://${R}@h:6379/0 down`],
    ["query parameters", "GET /x?a=1&api_key=abc&b=2#f", `GET /x?a=1&api_key=${R}&b=2#f`],
    ["short query names", "GET /x?key=abc&sig=d", `GET /x?key=${R}&sig=${R}`],
    ["JSON members", '{"api_key": "abc def", "n": 1}', `{"api_key": "${R}", "n": 1}`],
    [
      "escaped JSON members",
      '"{\\"token\\":\\"ab\\",\\"n\\":1}"',
      `"{\\"token\\":\\"${R}\\",\\"n\\":1}"`,
    ],
    ["JSON with escapes", '{"password":"a\\"b c","n":1}', `{"password":"${R}","n":1}`],
    ["environment variables", "OPENAI_API_KEY=abc123 deno run", `OPENAI_API_KEY=${R} deno run`],
    ["single quotes", "secret = 'a b c' x", `secret = '${R}' x`],
    ["names in the middle of a sentence", "x-api-key: abc, y", `x-api-key: ${R}, y`],
    ["an open quote to the end of its line", 'token: "abc def\nnext', `token: "${R}\nnext`],
  ];
  for (const [name, text, expected] of cases) {
    await t.step(name, () => {
      assertEquals(redactText(text), expected);
      assertEquals(redactText(expected), expected, "twice");
    });
  }
});

Deno.test("redactText leaves ordinary text alone", () => {
  for (
    const text of [
      "",
      "Cannot reach http://127.0.0.1:8787/health",
      'model "gpt-5" has 3 tokens: 17, max_tokens=100, total_tokens: 5',
      "resp_0123456789abcdefghijklmnopqrstuv of sess_01abcdefghijklmnopqrstuvwx",
      "session_limit_exceeded sig_verification_failed npm_config_registry",
      "mail someone@example.org or see https://example.org/a?b=c&d=e",
      "basic usage and bearer of news",
      "eyJ is not a token; neither is sk-learn",
      "2025-06-15T12:00:00.000Z",
    ]
  ) {
    assertEquals(redactText(text), text);
  }
});

Deno.test("redactText is linear", () => {
  const size = 1 << 20;
  const units = [
    "a",
    "eyJ",
    "eyJ-",
    "eyJaaaaaaaaa.",
    "bearer ",
    "bearer\t",
    "sk-",
    "sk-a ",
    "://",
    "://a",
    "://:@",
    "?a",
    "?a=",
    "&key=",
    "token=",
    'token="',
    "token='",
    'token:"\\',
    '\\"',
    "key:",
    " =",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN ",
    "A ",
    "AIza",
    "password",
    "authorization:",
    "cookie: ",
    "basic ",
    "xoxb-1",
    "_",
    "a_",
    "%20",
    '"',
    "\n",
    "token=[redacted] ",
  ];
  for (const unit of units) {
    const text = unit.repeat(Math.ceil(size / unit.length));
    // Quadratic would be minutes.
    assert(redactText(text).length > 0, unit);
  }
});

Deno.test("redactText never lets a bearer token or key through, whatever is around it", () => {
  const secret = "sk-Zx9Qw8Er7Ty6Ui5Op4As3";
  const around = fc.stringMatching(/^[ -~\n]{0,20}$/).map((text) =>
    text.replace(/[A-Za-z0-9]/g, ".")
  );
  fc.assert(
    fc.property(around, around, (before, after) => {
      assertFalse(redactText(`${before} Bearer ${secret} ${after}`).includes(secret));
      assertFalse(redactText(`${before}${secret}${after}`).includes(secret));
      assertFalse(redactText(`${before} token=${secret} ${after}`).includes(secret));
    }),
    { numRuns: 500 },
  );
});

Deno.test("isSecretName knows names in any spelling", () => {
  for (
    const name of [
      "authorization",
      "Proxy-Authorization",
      "X-API-Key",
      "apiKey",
      "OPENAI_API_KEY",
      "access_token",
      "refreshToken",
      "UPSTASH_REDIS_REST_TOKEN",
      "client_secret",
      "password",
      "Cookie",
      "Set-Cookie",
      "Upstash-Signature",
      "SYNTH_SEAL_KEYS",
      "private_key",
      "QSTASH_CURRENT_SIGNING_KEY",
    ]
  ) {
    assert(isSecretName(name), name);
  }
  for (
    const name of [
      "tokens",
      "max_tokens",
      "total_tokens",
      "input_tokens",
      "keyId",
      "key_id",
      "monkey",
      "content-type",
      "session_id",
      "tokenizer",
      "",
    ]
  ) {
    assertFalse(isSecretName(name), name);
  }
});

Deno.test("redactHeaders masks values behind telling names", () => {
  const expected: Record<string, string> = {
    "authorization": R,
    "x-api-key": R,
    "x-note": `Bearer ${R}`,
    "accept": "*/*",
  };
  const entries: [string, string][] = [
    ["authorization", "Bearer x"],
    ["x-api-key", "y"],
    ["x-note", "Bearer abcdef123"],
    ["accept", "*/*"],
  ];
  assertEquals(redactHeaders(entries), expected);
  assertEquals(redactHeaders(Object.fromEntries(entries)), expected);
  assertEquals(redactHeaders(new Headers(entries)), expected);
});

Deno.test("redactJson masks by name and by shape, at every depth", () => {
  assertEquals(
    redactJson({
      api_key: "x",
      list: [{ token: { deep: "x" } }, "Bearer abcdef123"],
      password: 1234,
      cookie: null,
      secret: true,
      n: 1.5,
      big: 12345678901234567890n,
      nan: NaN,
      none: undefined,
      fn: () => 1,
      when: new Date(0),
      bytes: new Uint8Array(3),
      headers: new Headers({ authorization: "x" }),
      map: new Map([["token", "x"], ["a", "b"]]),
    }),
    {
      api_key: R,
      list: [{ token: R }, `Bearer ${R}`],
      password: R,
      cookie: null,
      secret: true,
      n: 1.5,
      big: "12345678901234567890",
      nan: "NaN",
      when: "1970-01-01T00:00:00.000Z",
      bytes: "[3 bytes]",
      headers: { authorization: R },
      map: { token: R, a: "b" },
    },
  );
});

Deno.test("redactJson shows errors with code and causes, redacted", () => {
  const inner = new SynthError("no Bearer abcdef123", {
    code: "inner",
    status: 503,
    details: { token: "x" },
  });
  const outer = new Error("outer sk-abcdefghijklmnopqrst", { cause: inner });
  const shown = redactJson(outer);
  assert(typeof shown === "object" && shown !== null && !Array.isArray(shown));
  assertEquals([shown["name"], shown["message"]], ["Error", `outer ${R}`]);
  assertFalse(JSON.stringify(shown).includes("abcdef"));
  assertEquals(shown["cause"], {
    name: "SynthError",
    message: `no Bearer ${R}`,
    code: "inner",
    status: 503,
    details: { token: R },
  });
});

Deno.test("redactJson survives cycles, depth, width and __proto__", () => {
  const cycle: Record<string, unknown> = {};
  for (let i = 0; i < 10; i++) cycle[`k${i}`] = cycle;
  assert(JSON.stringify(redactJson(cycle)).length < 5_000_000);
  let deep: unknown = 1;
  for (let i = 0; i < 10_000; i++) deep = [deep];
  assert(JSON.stringify(redactJson(deep)).includes("[cut]"));
  const hostile = redactJson(JSON.parse('{"__proto__":{"admin":true}}'));
  assert(Object.hasOwn(hostile as object, "__proto__"));
  assertEquals(Reflect.get({}, "admin"), undefined);
});

Deno.test("SecretSet masks every registered value, in URLs and JSON too", () => {
  const set = new SecretSet(["hunter2!", 'quo"te/d+x', " padded-value\n", "abc", "hunter2!longer"]);
  assertEquals(set.mask("a hunter2! b hunter2!longer c"), `a ${R} b ${R} c`);
  assertEquals(set.mask(JSON.stringify({ v: 'quo"te/d+x' })), `{"v":"${R}"}`);
  assertEquals(set.mask("?v=" + encodeURIComponent('quo"te/d+x')), `?v=${R}`);
  assertEquals(set.mask("padded-value"), R);
  assertEquals(
    set.mask("abc stays: too short to be told from a word"),
    "abc stays: too short to be told from a word",
  );
  set.add("later-secret");
  assertEquals(set.mask("later-secret"), R);
  assertEquals(new SecretSet().mask("text"), "text");
});

Deno.test("SecretSet hides any secret in any text", () => {
  const secret = fc.string({ minLength: 6, maxLength: 40, unit: "binary" }).filter((text) =>
    !R.includes(text.trim()) && text.trim().length >= 6
  );
  fc.assert(
    fc.property(secret, fc.string(), fc.string(), (value, before, after) => {
      assertFalse(new SecretSet([value]).mask(before + value + after).includes(value));
    }),
    { numRuns: 300 },
  );
});
