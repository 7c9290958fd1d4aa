/** What `openEdgeGateway` asks of its environment, and what it says when that is not there. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { SynthError } from "@synth/core";
import { fetchTransport, openEdgeGateway, workerHandler } from "@synth/gateway/worker";
import worker from "../gateway/runtime/worker_main.ts";
import { billConfig } from "./support/budget_upstream.ts";
import { edgeEnvironment } from "./support/edge.ts";

const STORE = { url: "https://example.invalid", token: "the-token-of-the-store" };
const GOOD = edgeEnvironment(billConfig("http://127.0.0.1:1/v1"), STORE);

function open(env: Record<string, string>, lines: string[] = []) {
  return openEdgeGateway(env, {
    transport: fetchTransport(),
    write: (line) => void lines.push(line),
  });
}

Deno.test("openEdgeGateway opens without a word to the store", async () => {
  const lines: string[] = [];
  const gateway = await open(GOOD, lines);
  const response = await gateway.fetch(new Request("http://edge.test/docs"));
  assertEquals(response.status, 200);
  await response.body?.cancel();
  await gateway.drain(0);
  assertEquals(lines.filter((line) => line.includes('"level":"warn"')), []);
});

const FAULTS: readonly [
  name: string,
  change: Record<string, string>,
  code: string,
  told: string,
][] = [
  ["config missing", { SYNTH_CONFIG_TOML: "" }, "edge_variable_missing", "SYNTH_CONFIG_TOML"],
  [
    "url missing",
    { UPSTASH_REDIS_REST_URL: "" },
    "edge_variable_missing",
    "UPSTASH_REDIS_REST_URL",
  ],
  [
    "token missing",
    { UPSTASH_REDIS_REST_TOKEN: "" },
    "edge_variable_missing",
    "UPSTASH_REDIS_REST_TOKEN",
  ],
  ["seal keys missing", { SYNTH_SEAL_KEYS: "" }, "edge_variable_missing", "SYNTH_SEAL_KEYS"],
  ["seal keys broken", { SYNTH_SEAL_KEYS: "k1:hush-hush" }, "invalid_seal_keys", "SYNTH_SEAL_KEYS"],
  [
    "url broken",
    { UPSTASH_REDIS_REST_URL: "hush-hush" },
    "invalid_store_url",
    "UPSTASH_REDIS_REST",
  ],
  ["key too short", { SYNTH_API_KEY: "hush-hush" }, "edge_key_weak", "SYNTH_API_KEY"],
  [
    "key with spaces",
    { SYNTH_API_KEY: "hush-hush and more of it" },
    "invalid_static_key",
    "SYNTH_API_KEY",
  ],
  [
    "config broken",
    { SYNTH_CONFIG_TOML: '[upstreams.a]\nbase_url = "hush-hush"' },
    "config_invalid",
    "SYNTH_CONFIG_TOML",
  ],
  [
    "setting broken",
    { SYNTH_GATEWAY_PORT: "hush-hush" },
    "config_invalid",
    "SYNTH_ variable",
  ],
  ["store sqlite", { SYNTH_CONFIG_TOML: "[gateway]" }, "edge_store_unsupported", "upstash"],
  ["store redis", { SYNTH_GATEWAY_STORE: "redis" }, "edge_store_unsupported", "upstash"],
  [
    "key in a file",
    {
      SYNTH_CONFIG_TOML: '[gateway]\nstore = "upstash"\n[upstreams.a]\n' +
        'base_url = "http://127.0.0.1:1"\napi_key_file = "/hush-hush"',
    },
    "upstream_key_unreadable",
    "there are no files",
  ],
];

for (const [name, change, code, told] of FAULTS) {
  Deno.test(`openEdgeGateway refuses: ${name}`, async () => {
    const lines: string[] = [];
    const error = await assertRejects(() => open({ ...GOOD, ...change }, lines), SynthError);
    assertEquals(error.code, code);
    assertEquals(error.status, 503);
    const answer = JSON.stringify(error.toBody());
    assertStringIncludes(error.toBody().error.message, told);
    for (const secret of ["hush-hush", STORE.token, GOOD.SYNTH_API_KEY ?? ""]) {
      assert(!answer.includes(secret), answer);
    }
    assertStringIncludes(lines.join("\n"), code);
  });
}

Deno.test("openEdgeGateway warns of keys that are not there", async () => {
  const lines: string[] = [];
  const config = (GOOD.SYNTH_CONFIG_TOML ?? "").replace(
    "[upstreams.up]",
    '[upstreams.up]\napi_key_env = "UP_KEY"',
  );
  const env = { ...GOOD, SYNTH_CONFIG_TOML: config, SYNTH_API_KEY: "" };
  await (await open(env, lines)).drain(0);
  const text = lines.join("\n");
  assertStringIncludes(text, "SYNTH_API_KEY is not set");
  assertStringIncludes(text, "UP_KEY is not set");
});

Deno.test("workerHandler opens once, and answers with what keeps it from opening", async () => {
  let opened = 0;
  const handler = workerHandler(() => {
    opened++;
    return open({});
  });
  for (let n = 0; n < 3; n++) {
    const response = await handler.fetch(new Request("http://edge.test/health"), {}, {
      waitUntil() {},
    });
    assertEquals(response.status, 503);
    assert(response.headers.get("x-request-id")?.startsWith("req_"));
    assertEquals((await response.json()).error.code, "edge_variable_missing");
  }
  assertEquals(opened, 1);
});

Deno.test("the Worker reads variables that wrangler.jsonc has as numbers", async () => {
  const env = { ...GOOD, SYNTH_GATEWAY_KEEPALIVE_S: -1, SOME_BINDING: { get: () => "" } };
  const response = await worker.fetch(new Request("http://edge.test/docs"), env, {
    waitUntil() {},
  });
  assertEquals([response.status, (await response.json()).error.code], [503, "config_invalid"]);
});

Deno.test("workerHandler keeps the isolate until the request is done", async () => {
  const gateway = await open(GOOD);
  const handler = workerHandler(() => Promise.resolve(gateway));
  const kept: Promise<unknown>[] = [];
  const response = await handler.fetch(new Request("http://edge.test/docs"), {}, {
    waitUntil: (promise) => void kept.push(promise),
  });
  await response.body?.cancel();
  assertEquals(kept.length, 1);
  await kept[0];
  await gateway.drain(0);
});

Deno.test("workerHandler gives the answers of a gateway that cannot start their security headers", async () => {
  const handler = workerHandler(() => open({}));
  const context = { waitUntil: () => {} };
  const { status, headers, body } = await handler.fetch(
    new Request("http://edge.test/dashboard"),
    {},
    context,
  );
  await body?.cancel();
  assertEquals(status, 503);
  assertEquals(headers.get("x-content-type-options"), "nosniff");
  assertEquals(headers.get("referrer-policy"), "no-referrer");
});
