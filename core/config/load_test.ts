import { assertEquals, assertNotMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { SynthError } from "../errors.ts";
import { loadConfig, type LoadOptions } from "./load.ts";
import { listSettings } from "./show.ts";
import { CONFIG_TEMPLATE } from "./template.ts";
import { fingerprint } from "./trust.ts";

const ISSUE_EXAMPLE = `
[gateway]
host = "127.0.0.1"
port = 8787
store = "sqlite"                 # "redis", "upstash"
[upstreams.groq]
base_url = "https://api.groq.com/openai/v1"
api = "chat"                     # or "responses"
api_key_env = "GROQ_API_KEY"     # absent: no key is sent
profile = "groq"
[upstreams.local]
base_url = "http://127.0.0.1:11434/v1/"
[models."synth-small"]
upstream = "groq"
model = "openai/gpt-oss-20b"     # the upstream's name
price = { input = 0.075, cached_input = 0.0375, output = 0.30 }
context_window = 131072
max_output_tokens = 32768
stop_tool = "offer"
[models."local-*"]
upstream = "local"
`;

function files(content: Record<string, string>): Pick<LoadOptions, "readFile"> {
  const map = new Map(Object.entries(content));
  return { readFile: (path) => Promise.resolve(map.get(path) ?? null) };
}

async function failure(text: string): Promise<SynthError> {
  return await assertRejects(
    () => loadConfig({ env: {}, explicitPath: "/x.toml", ...files({ "/x.toml": text }) }),
    SynthError,
  );
}

async function complaint(text: string): Promise<string> {
  return (await failure(text)).toCliMessage();
}

Deno.test("loadConfig works without any source", async () => {
  const { config, files } = await loadConfig({ env: {} });
  assertEquals(files, []);
  assertEquals(config.gateway.port, 8787);
  assertEquals(config.session.limit_cost_usd, 20);
  assertEquals(config.models.size, 0);
});

Deno.test("loadConfig takes the example of the documentation", async () => {
  const { config } = await loadConfig({
    env: {},
    explicitPath: "/x.toml",
    ...files({ "/x.toml": ISSUE_EXAMPLE }),
  });
  assertEquals(config.upstreams.get("local")?.base_url, "http://127.0.0.1:11434/v1");
  assertEquals(config.upstreams.get("local")?.profile, "generic");
  assertEquals(config.models.get("synth-small")?.price, {
    input: 0.075,
    cached_input: 0.0375,
    cache_write: null,
    output: 0.3,
    reasoning: null,
    per_call: null,
    tiers: [],
  });
  assertEquals(config.models.get("local-*")?.model, null);
});

Deno.test("CONFIG_TEMPLATE is valid as it is", async () => {
  const { config } = await loadConfig({ env: { SYNTH_CONFIG_TOML: CONFIG_TEMPLATE } });
  assertEquals([...config.models.keys()], ["synth-small", "synth-medium", "synth-experimental"]);
});

Deno.test("loadConfig lets the stronger source win", async () => {
  const user = '[gateway]\nport = 1\nlog_level = "warn"\nkeepalive_s = 3\n[upstreams.u]\n' +
    'base_url = "http://u"\n[models.m]\nupstream = "u"\nmax_output_tokens = 10';
  const project = '[gateway]\nport = 2\nlog_level = "error"\n[models.m]\nmax_output_tokens = 20';
  const loaded = await loadConfig({
    env: { SYNTH_GATEWAY_PORT: "3", SYNTH_SESSION_LIMIT_COST_USD: "0", SYNTH_TUNNELS_DOMAIN: "" },
    flags: { "gateway.port": 4, "gateway.host": undefined },
    cwd: "/p/a/b",
    userPath: "/u/synth.toml",
    ...files({ "/u/synth.toml": user, "/p/synth.toml": project }),
  });
  assertEquals(loaded.config.gateway.port, 4);
  assertEquals(loaded.config.gateway.log_level, "error");
  assertEquals(loaded.config.gateway.keepalive_s, 3);
  assertEquals(loaded.config.session.limit_cost_usd, 0);
  assertEquals(loaded.config.models.get("m")?.max_output_tokens, 20);
  assertEquals(loaded.config.models.get("m")?.upstream, "u");
  assertEquals(loaded.files, ["/u/synth.toml", "/p/synth.toml"]);
  const origins = new Map(listSettings(loaded).map((s) => [s.key, s.origin]));
  assertEquals(origins.get("gateway.port"), { kind: "flag", name: "--port" });
  assertEquals(origins.get("gateway.log_level"), {
    kind: "project",
    name: "/p/synth.toml",
    line: 3,
    column: 1,
  });
  assertEquals(origins.get("gateway.keepalive_s")?.kind, "user");
  assertEquals(origins.get("session.limit_cost_usd")?.name, "SYNTH_SESSION_LIMIT_COST_USD");
  assertEquals(origins.get("gateway.host")?.kind, "default");
});

Deno.test("loadConfig reads the environment by type", async () => {
  const { config, warnings } = await loadConfig({
    env: {
      SYNTH_PORT: "0",
      SYNTH_HOST: "::1",
      SYNTH_GATEWAY_HOST: "127.0.0.2",
      SYNTH_GATEWAY_CORS_ORIGINS: "https://a.example, https://b.example",
      SYNTH_SESSIONS_AUTO_OPEN: "false",
      SYNTH_SESSION_ID: "sess_x",
      SYNTH_GATEWAY_PROT: "1",
    },
  });
  assertEquals(config.gateway.port, 0);
  assertEquals(config.gateway.host, "127.0.0.2");
  assertEquals(config.gateway.cors_origins, ["https://a.example", "https://b.example"]);
  assertEquals(config.sessions.auto_open, false);
  assertEquals(warnings, [
    "SYNTH_GATEWAY_PROT is not a setting and is ignored; did you mean SYNTH_GATEWAY_PORT?",
  ]);
  const error = await assertRejects(() => loadConfig({ env: { SYNTH_PORT: "80a" } }), SynthError);
  assertStringIncludes(error.message, "SYNTH_PORT: gateway.port: ");
});

Deno.test("loadConfig names file, line, column and the nearest key", async () => {
  assertEquals(
    await complaint("[gateway]\nprot = 1"),
    'error: /x.toml:2:1: gateway.prot: Unknown key "prot" in [gateway] [config_invalid]\n' +
      '  Did you mean "port"?',
  );
  assertStringIncludes(await complaint("[gatway]\nport = 1"), 'Did you mean "gateway"?');
  assertStringIncludes(await complaint("port = 1"), 'Did you mean "[gateway] port"?');
  assertStringIncludes(await complaint('[gateway]\nstore = "sqllite"'), 'Did you mean "sqlite"?');
  const nested = '[upstreams.u]\nbase_url = "http://u"\n[models.m]\nupstream = "u"\n' +
    "price = { input = 1, ouput = 2 }";
  const text = await complaint(nested);
  assertStringIncludes(
    text,
    "/x.toml:5:1: models.m.price.output: Is missing",
  );
  assertStringIncludes(text, '/x.toml:5:22: models.m.price.ouput: unknown key "ouput"');
  const missing = '[upstreams.groq]\nbase_url = "http://u"\n[models.m]\nupstream = "grok"';
  assertEquals(
    await complaint(missing),
    "error: /x.toml:4:1: models.m.upstream: There is no [upstreams.grok] [config_invalid]\n" +
      '  Did you mean "groq"?',
  );
  assertStringIncludes(
    await complaint("[upstreams.u]"),
    "/x.toml:1:2: upstreams.u.base_url: Is missing",
  );
});

Deno.test("loadConfig refuses what a parser hides", async () => {
  assertStringIncludes(await complaint("[gateway]\nport = 1\nport = 2"), "/x.toml:3:1: ");
  assertStringIncludes(await complaint("[session]\nlimit_tokens = 9007199254740993"), "2^53-1");
  assertStringIncludes(await complaint("[models.__proto__]"), '"__proto__" is not allowed');
  assertStringIncludes(await complaint("[gateway]\nport = 08"), "/x.toml:2:");
  assertStringIncludes(await complaint("[gateway\n"), "/x.toml:1:9: Expected");
  assertEquals((await failure("x")).exitCode, 2);
});

Deno.test("loadConfig checks values", async () => {
  const upstream = (line: string) => `[upstreams.u]\nbase_url = "http://u"\n${line}`;
  const model = (line: string) => `${upstream("")}\n[models.m]\nupstream = "u"\n${line}`;
  const cases: [string, string][] = [
    ["[gateway]\nport = 65536", "65535"],
    ["[gateway]\nport = 1.5", "int"],
    ['[gateway]\ncors_origins = ["example.com"]', "origin"],
    ["[gateway]\nport = 1979-05-27", "number"],
    ['[upstreams.u]\nbase_url = "ftp://u"', "http(s)"],
    ['[upstreams.u]\nbase_url = "http://u?x=1"', "query"],
    [upstream('headers = { "a b" = "c" }'), "header name"],
    [upstream('headers = { a = "b\\r\\nc" }'), "header value"],
    [upstream('headers = { Authorization = "b" }'), "api_key_env"],
    [upstream('api_key_env = "A"\napi_key_file = "b"'), "not both"],
    [model("price = { input = -1, output = 1 }"), ">=0"],
    [model("price = { input = inf, output = 1 }"), "models.m.price.input"],
    [model("price = { input = nan, output = 1 }"), "models.m.price.input"],
    [model("price = { input = 0.0000000001, output = 1 }"), "decimals"],
    [model("price = { input = 9007200, output = 1 }"), "Too large"],
    [model('price = "fre"'), '"free"'],
    [model('fallback = ["m"]'), "own fallback"],
    [model('fallback = ["n"]'), 'no [models."n"]'],
    [model("context_window = 1\nmax_output_tokens = 2"), "context_window"],
    [`${upstream("")}\n[models."a*b"]\nupstream = "u"`, "Not a model name"],
    ["[session]\nlimit_cost_usd = -1", ">=0"],
    ['[session]\nsoft = ["cost"]', "session.soft.0"],
  ];
  for (const [text, expected] of cases) assertStringIncludes(await complaint(text), expected);
});

Deno.test("loadConfig shows no secret in an error", async () => {
  const canary = "gsk_CANARY0123456789abcdefCANARY";
  const texts = [
    `[upstreams.u]\nbase_url = "http://u"\napi_key_env = "${canary}"`,
    `[upstreams.u]\nbase_url = "http://user:${canary}@u"`,
    `[upstreams.u]\nbase_url = "http://u"\nheaders = { authorization = "${canary}" }`,
    `[upstreams.u]\nbase_url = "http://u"\nheaders = { x = "${canary}\\n" }`,
    `[upstreams.u]\nbase_url = "http://u"\nheaders = { x = "${canary}" y }`,
    `[upstreams.u]\nbase_url = "http://u"\napi_key_env = ${canary}`,
  ];
  for (const text of texts) {
    const error = await failure(text);
    assertNotMatch(error.toCliMessage() + JSON.stringify(error.toBody()), /CANARY/, text);
  }
});

Deno.test("listSettings masks headers", async () => {
  const loaded = await loadConfig({
    env: {
      SYNTH_CONFIG_TOML: '[upstreams.u]\nbase_url = "http://u"\nheaders = { X-Key = "CANARY" }',
    },
  });
  const shown = listSettings(loaded);
  assertEquals(shown.find((s) => s.key === "upstreams.u.headers")?.value, { "x-key": "***" });
  assertNotMatch(JSON.stringify(shown), /CANARY/);
});

Deno.test("loadConfig asks before it trusts a project's file", async () => {
  const project = '[gateway]\nport = 0\nhost = "0.0.0.0"\nmetrics = "local"\n' +
    "requests_per_minute = 9\nmax_streams = 9\nwebsockets_per_key = 9\n[upstreams.groq]\n" +
    'base_url = "https://evil.example"\n[sessions]\nallow_opt_out = true\n' +
    '[models.m]\nprice = "free"\nmax_output_tokens = 1\n[client]\nbase_url = "http://e"';
  const options: LoadOptions = {
    env: {},
    cwd: "/p",
    userPath: "/u/synth.toml",
    ...files({ "/p/synth.toml": project }),
  };
  const error = await assertRejects(() => loadConfig(options), SynthError);
  assertEquals(error.code, "untrusted_config");
  assertEquals(error.exitCode, 2);
  assertEquals(error.details.keys, [
    "gateway.host",
    "gateway.metrics",
    "gateway.requests_per_minute",
    "gateway.max_streams",
    "gateway.websockets_per_key",
    "upstreams.groq.base_url",
    "sessions.allow_opt_out",
    "models.m.price",
    "client.base_url",
  ]);
  assertStringIncludes(error.toCliMessage(), "/p/synth.toml:3:1: gateway.host");
  assertStringIncludes(error.hint ?? "", "synth config trust /p/synth.toml");

  const safe = "[gateway]\nport = 0\n[session]\nlimit_cost_usd = 1.5";
  const { config } = await loadConfig({ ...options, ...files({ "/p/synth.toml": safe }) });
  assertEquals(config.session.limit_cost_usd, 1.5);

  const trusted = project.replace('[models.m]\nprice = "free"\nmax_output_tokens = 1\n', "");
  const mark = await fingerprint("/p/synth.toml", trusted);
  const isTrusted = (asked: string) => Promise.resolve(asked === mark);
  const loaded = await loadConfig({
    ...options,
    isTrusted,
    ...files({ "/p/synth.toml": trusted }),
  });
  assertEquals(loaded.config.gateway.host, "0.0.0.0");
  const changed = files({ "/p/synth.toml": `${trusted} # changed` });
  const again = await assertRejects(
    () => loadConfig({ ...options, isTrusted, ...changed }),
    SynthError,
  );
  assertEquals(again.code, "untrusted_config");
});

Deno.test("loadConfig reads an explicit file alone, and says when it is missing", async () => {
  const content = { "/u/synth.toml": "[gateway]\nport = 1", "/x.toml": "\uFEFF[gateway]\n" };
  const { config } = await loadConfig({
    env: { SYNTH_CONFIG_TOML: "[gateway]\nport = 2" },
    explicitPath: "/x.toml",
    userPath: "/u/synth.toml",
    ...files(content),
  });
  assertEquals(config.gateway.port, 8787);
  const error = await assertRejects(
    () => loadConfig({ env: {}, explicitPath: "/y.toml", ...files(content) }),
    SynthError,
  );
  assertEquals([error.code, error.exitCode], ["config_not_found", 3]);
});

Deno.test("findProjectFile walks up on both kinds of path", async () => {
  const seen: string[] = [];
  const readFile = (path: string) => {
    seen.push(path);
    return Promise.resolve(null);
  };
  await loadConfig({ env: {}, cwd: "/a/b", readFile });
  await loadConfig({ env: {}, cwd: "C:\\a\\b", readFile });
  assertEquals(seen, [
    "/a/b/synth.toml",
    "/a/synth.toml",
    "/synth.toml",
    "C:\\a\\b\\synth.toml",
    "C:\\a\\synth.toml",
    "C:\\synth.toml",
  ]);
});
