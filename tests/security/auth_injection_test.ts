/** Whatever is shown as a key: it is hashed before anything is looked up, and nothing of it is repeated. */
import { assert, assertEquals } from "@std/assert";
import { Authenticator, hashKey, newKey } from "@synth/core/auth";
import fc from "fast-check";
import { startGateway } from "../support/test_gateway.ts";

const PAYLOADS = [
  "' OR '1'='1",
  "'; DROP TABLE keys; --",
  '" OR ""="',
  "admin'--",
  "1; SELECT pg_sleep(9)",
  "x' UNION SELECT 1",
  "*",
  "?",
  "[a-z]*",
  "sk_synth_*",
  "sk_synth_?".padEnd(52, "?"),
  "synth:v1:*",
  "{org}:keys",
  "..%2f..%2fkeys",
  "../keys",
  "*3\\r\\n$3\\r\\nGET",
  "$5 FLUSHALL",
  "EVAL return 1",
  "KEYS *",
  "%00",
  "%0d%0aX-Admin: 1",
  "{{7*7}}",
  "${jndi:ldap://x}",
  "$(id)",
  "`id`",
  "|id",
  "\\u0000",
  "null",
  "undefined",
  "true",
  "[object Object]",
  "__proto__",
  "constructor",
  "0",
  "-1",
  "1e999",
  "\u00ff\u00fe",
  "sk-" + "a".repeat(600),
  "A".repeat(100_000),
  "sk_synth_" + "A".repeat(43),
];

function spyKeys() {
  const asked: string[] = [];
  const keys = {
    lookup(hash: string) {
      asked.push(hash);
      return Promise.resolve(null);
    },
    onChange: () => () => {},
  };
  return { asked, authenticator: new Authenticator({ keys }) };
}

async function ask(
  it: Awaited<ReturnType<typeof startGateway>>,
  name: string,
  value: string,
): Promise<void> {
  const request = new Request("http://gateway.test/v1/models", { headers: { [name]: value } });
  const answer = await it.gateway.fetch(request);
  const text = await answer.text();
  assertEquals(answer.status, 401, value.slice(0, 80));
  const { code } = JSON.parse(text).error;
  assert(["missing_api_key", "invalid_api_key"].includes(code), code);
  const told = text + JSON.stringify([...answer.headers]) + it.lines.splice(0).join("");
  if (value.length > 12) assert(!told.includes(value.slice(0, 12)), "the key is repeated");
}

Deno.test("a key is hashed before it is looked up, whatever it holds (CVE-2026-42208: SQL injection in the key check)", async () => {
  const { asked, authenticator } = spyKeys();
  await using it = await startGateway({ authenticator });
  for (const payload of PAYLOADS) {
    await ask(it, "x-api-key", payload);
    await ask(it, "authorization", `Bearer ${payload}`);
    await ask(it, "authorization", payload);
  }
  // One had the shape of a key: its hash was asked for, never a text.
  assertEquals(asked, [hashKey("sk_synth_" + "A".repeat(43))]);
});

Deno.test("a key is hashed before it is looked up, for any bytes that a header can carry", async () => {
  const { asked, authenticator } = spyKeys();
  await using it = await startGateway({ authenticator });
  const byte = fc.integer({ min: 32, max: 255 }).map((code) => String.fromCharCode(code));
  const value = fc.oneof(
    fc.string({ unit: byte, maxLength: 200 }),
    fc.string({ unit: byte, maxLength: 43 }).map((text) => `sk_synth_${text}`),
    fc.constant(0).map(newKey),
  );
  await fc.assert(
    fc.asyncProperty(value, fc.constantFrom("x-api-key", "authorization"), async (key, name) => {
      await ask(it, name, name === "x-api-key" ? key : `Bearer ${key}`);
    }),
    { numRuns: 300 },
  );
  for (const hash of asked) assert(/^[0-9a-f]{64}$/.test(hash));
});

Deno.test("no token proves itself: JSON Web Tokens are keys that nobody has (CVE-2026-22817, CVE-2026-22818: alg confusion)", async () => {
  const { asked, authenticator } = spyKeys();
  await using it = await startGateway({ authenticator });
  const part = (value: unknown) =>
    btoa(JSON.stringify(value)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const claims = part({ sub: "admin", org: "org-a", scopes: ["admin"], exp: 9_999_999_999 });
  for (const alg of ["none", "None", "HS256", "RS256", "ES256"]) {
    for (const signature of ["", "AAAA"]) {
      await ask(it, "authorization", `Bearer ${part({ alg, typ: "JWT" })}.${claims}.${signature}`);
    }
  }
  assertEquals(asked, []);
});

Deno.test("keys are compared as hashes, in a time that their content does not change (GHSA-gq3j-xvxp-8hrf)", async () => {
  const { equalHashes } = await import("@synth/core/auth");
  const hash = hashKey("a");
  assert(equalHashes(hash, hashKey("a")));
  for (let i = 0; i < hash.length; i++) {
    assert(
      !equalHashes(hash, hash.slice(0, i) + (hash[i] === "0" ? "1" : "0") + hash.slice(i + 1)),
    );
  }
  // A piece of a hash is none, on whichever side it stands; nor is nothing at all.
  for (const piece of ["", hash.slice(0, 1), hash.slice(0, -1), hash.slice(1)]) {
    assert(!equalHashes(hash, piece));
    assert(!equalHashes(piece, hash));
  }
  // Every unit is looked at, wherever the first difference is: counted on a text that counts.
  const looked = (other: string): number => {
    let count = 0;
    const spy = { length: hash.length, charCodeAt: (i: number) => (count++, other.charCodeAt(i)) };
    equalHashes(hash, spy as unknown as string);
    return count;
  };
  assertEquals(looked(hash), 64);
  assertEquals(looked("x" + hash.slice(1)), 64);
  assertEquals(looked(hash.slice(0, -1) + "x"), 64);
});

Deno.test("hashes are compared by equalHashes and by nothing else", async () => {
  const found: string[] = [];
  for (const room of ["core/auth", "task_app/server", "gateway/dashboard", "gateway/http"]) {
    const directory = new URL(`../../${room}/`, import.meta.url);
    for await (const { name, isFile } of Deno.readDir(directory)) {
      if (!isFile || name.endsWith("_test.ts")) continue;
      const source = await Deno.readTextFile(new URL(name, directory));
      const [, body = ""] = /function equalHashes[^]*?\{([^]*?)\n\}/.exec(source) ?? [];
      // Its own two comparisons are of numbers.
      const own = body.match(/[!=]==.*/g) ?? [];
      if (name === "key.ts") assertEquals(own, ["!== b.length) return false;", "=== 0;"]);
      for (const line of source.replace(body, "").split("\n")) {
        if (/\bhash\w* [!=]== (?!null|undefined)|[!=]== [\w.]*\bhash\b/i.test(line)) {
          found.push(`${room}/${name}: ${line.trim()}`);
        }
      }
    }
  }
  assertEquals(found, []);
});

Deno.test("a key longer than keys can be is not even hashed", async () => {
  const { authenticator } = spyKeys();
  const real = TextEncoder.prototype.encode;
  let longest = 0;
  TextEncoder.prototype.encode = function (text = "") {
    longest = Math.max(longest, text.length);
    return real.call(this, text);
  };
  try {
    for (const length of [512, 513, 100_000]) {
      const refused = await authenticator.authenticateKey("a".repeat(length)).catch((error) =>
        error
      );
      assertEquals(refused.code, "invalid_api_key");
    }
  } finally {
    TextEncoder.prototype.encode = real;
  }
  assertEquals(longest, 512);
});
