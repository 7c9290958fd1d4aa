import { assert, assertEquals, assertFalse } from "@std/assert";
import { type Answer, echoConfig, envOf, KEY, recordingLog } from "../testing/echo_app.ts";
import { createTaskApp } from "./task_app.ts";

const ALIAS = "alias-key-9876543210";

async function ask(
  env: { [name: string]: string },
  headers: HeadersInit,
  changes: Parameters<typeof echoConfig>[0] = {},
): Promise<{ status: number; body: Answer; text: string; log: string; headers: Headers }> {
  const log = recordingLog();
  const app = createTaskApp(echoConfig(changes), { env: envOf(env), log: log.log });
  const response = await app.request("/health", { headers });
  const text = await response.text();
  return {
    status: response.status,
    body: JSON.parse(text),
    text,
    log: log.lines.join("\n"),
    headers: response.headers,
  };
}

Deno.test("the door passes a valid key in each header, among others, and each alias", async () => {
  const env = { ENVIRONMENT_API_KEY: KEY, ENVIRONMENT_API_KEY_ALIASES: ` ${ALIAS} ,, other ` };
  const passes: HeadersInit[] = [
    { "x-api-key": KEY },
    { "x-api-key": ` wrong , ${KEY}` },
    { "x-api-keys": `wrong,${KEY}` },
    { authorization: `Bearer ${KEY}` },
    { authorization: `bearer wrong, ${KEY}` },
    { "x-api-key": "wrong", authorization: `Bearer ${KEY}` },
    { "x-api-key": ALIAS },
    { "x-api-keys": "other" },
  ];
  for (const headers of passes) {
    const { status, body } = await ask(env, headers);
    assertEquals(status, 200, JSON.stringify(headers));
    assertEquals(body.auth, { required: true });
  }
});

Deno.test("the door refuses with 401, and shows nothing of any key", async () => {
  const env = { ENVIRONMENT_API_KEY: KEY, ENVIRONMENT_API_KEY_ALIASES: ALIAS };
  const wrong = "guess-of-a-stranger-0123";
  const refused: HeadersInit[] = [
    {},
    { "x-api-key": "" },
    { "x-api-key": wrong },
    { "x-api-key": KEY.slice(0, -1) },
    { "x-api-key": KEY + "x" },
    { "x-api-key": KEY.toUpperCase() },
    { authorization: KEY },
    { authorization: `Basic ${KEY}` },
    { authorization: `Bearer${KEY}` },
    { cookie: `key=${KEY}` },
    { "x-api-key": Array.from({ length: 100 }, (_, i) => `k${i}`).join(",") + `,${KEY}` },
  ];
  for (const headers of refused) {
    const { status, body, text, log, headers: sent } = await ask(env, headers);
    assertEquals(status, 401, JSON.stringify(headers));
    assertEquals([body.error.code, body.detail.error.code], ["unauthorised", "unauthorised"]);
    assertEquals(body.error.type, "authentication_error");
    assertEquals(sent.get("www-authenticate"), "Bearer");
    for (const secret of [KEY, ALIAS, wrong]) {
      for (const place of [text, log, JSON.stringify([...sent])]) {
        assertFalse(place.includes(secret.slice(0, 6)), "no part of a key is shown");
      }
    }
  }
});

Deno.test("the door answers 503 without a key to check against, whatever is shown", async () => {
  for (const env of [{}, { ENVIRONMENT_API_KEY: "  " }, { ENVIRONMENT_API_KEY_ALIASES: ALIAS }]) {
    const { status, body } = await ask(env as { [name: string]: string }, { "x-api-key": ALIAS });
    assertEquals([status, body.error.code], [503, "missing_environment_api_key"]);
    assertEquals(body.detail.error.code, "missing_environment_api_key");
  }
});

Deno.test("the door falls back to the development names, in their order", async () => {
  const both = { dev_environment_api_key: "first", DEV_ENVIRONMENT_API_KEY: "second" };
  assertEquals((await ask(both, { "x-api-key": "first" })).status, 200);
  assertEquals((await ask(both, { "x-api-key": "second" })).status, 401);
  const { dev_environment_api_key: _, ...one } = both;
  assertEquals((await ask(one, { "x-api-key": "second" })).status, 200);
  const real = { ...both, ENVIRONMENT_API_KEY: KEY };
  assertEquals((await ask(real, { "x-api-key": "first" })).status, 401);
});

Deno.test("the door answers 400 as the original when it is told to", async () => {
  const env = { ENVIRONMENT_API_KEY: KEY };
  const { status, body } = await ask(env, {}, { legacyAuthStatus: true });
  assertEquals([status, body.error.code], [400, "unauthorised"]);
});

Deno.test("requireApiKey: false lets everybody pass, and says so", async () => {
  const { status, body } = await ask({}, {}, { requireApiKey: false });
  assertEquals([status, body.healthy, body.auth], [200, true, { required: false }]);
});

Deno.test("the door takes a new key without a restart", async () => {
  const values: { [name: string]: string } = { ENVIRONMENT_API_KEY: "old" };
  const { log } = recordingLog();
  const app = createTaskApp(echoConfig(), { env: (name) => values[name], log });
  const status = async (key: string) =>
    (await app.request("/health", { headers: { "x-api-key": key } })).status;
  assertEquals([await status("old"), await status("new")], [200, 401]);
  values["ENVIRONMENT_API_KEY"] = "new";
  assertEquals([await status("old"), await status("new")], [401, 200]);
});

Deno.test("the door compares every key with every candidate: its work tells nothing", async () => {
  // What is counted is the hashing of candidates, the only work that depends on what was sent.
  const env = { ENVIRONMENT_API_KEY: KEY, ENVIRONMENT_API_KEY_ALIASES: "a,b,c" };
  const counted = async (first: string) => {
    let encoded = 0;
    const original = TextEncoder.prototype.encode;
    TextEncoder.prototype.encode = function (text?: string) {
      encoded++;
      return original.call(this, text);
    };
    try {
      await ask(env, { "x-api-keys": `${first},x,y,z` });
    } finally {
      TextEncoder.prototype.encode = original;
    }
    return encoded;
  };
  const right = await counted(KEY);
  assert(right >= 9, "each key and each candidate is hashed");
  assertEquals(right, await counted("k".repeat(KEY.length)));
});
