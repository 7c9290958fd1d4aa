/** Who fetches what: upstreams come from the operator's configuration and from nowhere else, and the gateway opens no other connection. */
import { assert, assertEquals } from "@std/assert";
import { fetchTransport } from "../../gateway/upstreams/fetch_transport.ts";
import { undiciTransport } from "@synth/gateway/deno";
import type { UpstreamTransport } from "../../gateway/upstreams/transport.ts";
import { startFullGateway } from "../support/full_gateway.ts";
import { serveRaw } from "../support/raw_http.ts";
import { startGateway } from "../support/test_gateway.ts";
import { spyUpstream } from "./spy_upstream.ts";

const CONFIGURED = "http://upstream.test/v1";
const EVIL = "http://169.254.169.254/latest";

/** Counts what is fetched beside the transport; nothing may be. */
async function withoutFetch(run: () => Promise<void>): Promise<void> {
  const real = globalThis.fetch;
  const fetched: string[] = [];
  globalThis.fetch = (input) => {
    fetched.push(String(input instanceof Request ? input.url : input));
    return Promise.reject(new Error("no network here"));
  };
  try {
    await run();
  } finally {
    globalThis.fetch = real;
  }
  assertEquals(fetched, []);
}

const HEADERS = [
  "x-portkey-custom-host",
  "x-portkey-config",
  "x-portkey-provider",
  "x-custom-host",
  "x-base-url",
  "x-upstream",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-original-url",
  "x-rewrite-url",
  "forwarded",
  "helicone-target-url",
  "openai-base-url",
  "x-synth-upstream",
];

Deno.test("no header names an upstream (CVE-2025-66405 x-portkey-custom-host, CVE-2026-75871 Host)", async () => {
  const transport = spyUpstream();
  await using it = await startFullGateway({ baseUrl: CONFIGURED, transport });
  const { key } = await it.key("org-a");
  await withoutFetch(async () => {
    for (const name of HEADERS) {
      for (const value of [EVIL, "169.254.169.254", `{"base_url":"${EVIL}"}`]) {
        const headers = { authorization: `Bearer ${key}`, [name]: value };
        const answer = await it.send("POST /v1/responses", { model: "up-m", input: "x" }, headers);
        assertEquals(answer.status, 200, name);
        await answer.body?.cancel();
      }
    }
    for (const host of ["169.254.169.254", "localhost:6379", "metadata.google.internal"]) {
      const answer = await it.gateway.fetch(
        new Request(`http://${host}/v1/responses`, {
          method: "POST",
          headers: { authorization: `Bearer ${key}`, "content-type": "application/json", host },
          body: JSON.stringify({ model: "up-m", input: "x" }),
        }),
      );
      assertEquals(answer.status, 200);
      await answer.body?.cancel();
    }
  });
  assert(transport.sent.length > HEADERS.length);
  for (const { url, headers, body } of transport.sent) {
    assertEquals(url.href, `${CONFIGURED}/chat/completions`);
    assert(!JSON.stringify([headers, body]).includes("169.254"));
  }
});

const FIELDS: Record<string, unknown> = {
  api_base: EVIL,
  base_url: EVIL,
  api_key: "x",
  user_config: { model_list: [{ litellm_params: { api_base: EVIL } }] },
  extra_body: { api_base: EVIL },
  extra_headers: { host: "169.254.169.254" },
  callback_url: EVIL,
  webhook_url: EVIL,
  proxy: EVIL,
  custom_llm_provider: "x",
  provider: { base_url: EVIL },
  fallbacks: [{ api_base: EVIL }],
  metadata: { api_base: EVIL, callback_url: EVIL },
  litellm_metadata: { api_base: EVIL },
};

Deno.test("no field names an upstream (CVE-2024-6587 api_base, PYSEC-2026-4070 user_config, CVE-2026-108719 callback_url)", async () => {
  const transport = spyUpstream();
  await using it = await startFullGateway({ baseUrl: CONFIGURED, transport });
  const { key } = await it.key("org-a");
  await withoutFetch(async () => {
    for (const [name, value] of Object.entries(FIELDS)) {
      for (const model of ["up-m", `${EVIL}/m`]) {
        const more = { model, [name]: value };
        for (
          const [path, body] of [
            ["/v1/responses", { input: "x", ...more }],
            ["/v1/chat/completions", { messages: [{ role: "user", content: "x" }], ...more }],
          ] as const
        ) {
          const headers = { authorization: `Bearer ${key}` };
          const answer = await it.send(`POST ${path}`, body, headers);
          assert(answer.status === 200 || answer.status < 500, `${name}: ${answer.status}`);
          await answer.body?.cancel();
        }
      }
    }
  });
  for (const { url, headers } of transport.sent) {
    assertEquals(url.href, `${CONFIGURED}/chat/completions`);
    assertEquals(headers["host"], undefined);
  }
});

Deno.test("URLs of images and files are never fetched by the gateway", async () => {
  const transport = spyUpstream();
  await using it = await startFullGateway({ baseUrl: CONFIGURED, transport });
  const { key } = await it.key("org-a");
  await withoutFetch(async () => {
    for (
      const part of [
        { type: "input_image", image_url: `${EVIL}/a.png` },
        { type: "input_file", file_url: `${EVIL}/a.pdf` },
        { type: "input_file", filename: "a", file_data: `${EVIL}/a` },
      ]
    ) {
      const input = [{ role: "user", content: [part] }];
      const headers = { authorization: `Bearer ${key}`, "x-no-session": "true" };
      const answer = await it.send("POST /v1/responses", { model: "up-m", input }, headers);
      assert(answer.status < 500, String(answer.status));
      await answer.body?.cancel();
    }
  });
  for (const { url } of transport.sent) assertEquals(url.host, "upstream.test");
});

for (
  const [name, open] of [
    ["undici", undiciTransport],
    ["fetch", () => fetchTransport()],
  ] as [string, () => UpstreamTransport][]
) {
  Deno.test(`an upstream's redirect is not followed with the key or without (${name})`, async () => {
    const reached: string[] = [];
    await using other = await serveRaw((request) => {
      reached.push(JSON.stringify([...request.headers]));
      return { status: 200, headers: {}, steps: ["{}"] };
    });
    for (const status of [301, 302, 303, 307, 308]) {
      for (
        const location of [
          `http://127.0.0.1:${other.port}/v1/chat/completions`,
          "//127.0.0.1/",
          "/x",
        ]
      ) {
        await using upstream = await serveRaw(() => ({ status, headers: { location }, steps: [] }));
        await using it = await startGateway({
          baseUrl: `http://127.0.0.1:${upstream.port}/v1`,
          transport: open(),
          upstream: { api_key_env: "K" },
          secrets: { env: () => "upstream-key-0123" },
        });
        const answer = await it.post("/v1/responses", { model: "up-m", input: "x" });
        assertEquals([answer.status, (await answer.json()).error.code], [502, "upstream_redirect"]);
      }
    }
    assertEquals(reached, []);
  });
}

/** One machine in many spellings, and other addresses that are not public. */
const HOSTS = [
  "127.0.0.1",
  "127.1",
  "127.0.1",
  "2130706433",
  "0x7f000001",
  "0177.0.0.1",
  "0x7f.1",
  "017700000001",
  "127.0.0.1.",
  "localhost",
  "localhost.",
  "LOCALHOST",
  "0",
  "0.0.0.0",
  "[::1]",
  "[::]",
  "[0:0:0:0:0:0:0:1]",
  "[::ffff:127.0.0.1]",
  "[::ffff:7f00:1]",
  "[::127.0.0.1]",
  "[64:ff9b::7f00:1]",
  "[64:ff9b:1::1]",
  "[2002:7f00:1::]",
  "[2001:0:7f00:1::]",
  "[fe80::1]",
  "[fc00::1]",
  "[fd00:ec2::254]",
  "10.0.0.1",
  "172.16.0.1",
  "192.168.0.1",
  "100.64.0.1",
  "198.18.0.1",
  "169.254.169.254",
  "2852039166",
  "0xa9fea9fe",
  "0251.0376.0251.0376",
  "169.254.169.254.nip.io",
  "metadata.google.internal",
  "①②⑦.⓪.⓪.①",
  "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
  "127。0。0。1",
  "xn--localhost",
  "a@127.0.0.1",
  "a:b@127.0.0.1",
  "127.0.0.1:6379",
  "127.0.0.1:22",
  "evil.test#@127.0.0.1",
  "evil.test\\@127.0.0.1",
  "127.0.0.1%2f",
  "%31%32%37.0.0.1",
  "127.0.0.1%00.evil.test",
  "[::1%25eth0]",
  "evil.test:80:90",
  "-",
  "..",
  "256.256.256.256",
];
const SCHEMES = [
  "ftp",
  "file",
  "gopher",
  "dict",
  "ldap",
  "data",
  "javascript",
  "blob",
  "unix",
  "redis",
];

Deno.test("a task app's URL in the registry is kept as a text and called by nobody here (CVE-2026-55245: CGNAT, 6to4, NAT64 spellings)", async () => {
  const transport = spyUpstream();
  await using it = await startFullGateway({ transport });
  const { key } = await it.key("org-a");
  const headers = { authorization: `Bearer ${key}` };
  const spellings = [
    ...HOSTS.map((host) => `http://${host}/`),
    ...SCHEMES.map((scheme) => `${scheme}://127.0.0.1/`),
    "//127.0.0.1/",
    "http:/127.0.0.1",
    "http:127.0.0.1",
    "\nhttp://127.0.0.1",
    "http://127.0.0.1/\r\nx: y",
  ];
  assert(spellings.length >= 60);
  await withoutFetch(async () => {
    for (const url of spellings) {
      const put = await it.send("PUT /api/v1/registry/task-apps/a", { url }, headers);
      const body = await put.json();
      assert(put.status === 200 || put.status === 400, `${url}: ${put.status}`);
      if (put.status !== 200) continue;
      // What is kept is a plain http(s) address: nothing of a login, nothing that a header or a page could be split with.
      const kept = new URL(body.url);
      assert(/^https?:$/.test(kept.protocol), url);
      assertEquals([kept.username, kept.password, kept.hash, kept.search], ["", "", "", ""], url);
      assert(/^[\x21-\x7e]+$/.test(body.url), url);
      for (const line of ["GET /api/v1/registry/task-apps", "GET /dashboard"]) {
        await (await it.send(line, undefined, headers)).body?.cancel();
      }
    }
  });
  assertEquals(transport.sent, []);
});

Deno.test("only these files of the gateway open connections", async () => {
  const root = new URL("../../gateway/", import.meta.url);
  const found: string[] = [];
  async function look(directory: URL): Promise<void> {
    for await (const { name, isDirectory } of Deno.readDir(directory)) {
      if (isDirectory) await look(new URL(`${name}/`, directory));
      else if (/\.tsx?$/.test(name) && !/_test\.ts$/.test(name)) {
        const file = new URL(name, directory);
        const source = (await Deno.readTextFile(file)).replace(/\/\*[^]*?\*\/|\/\/.*$/gm, "");
        if (
          /(?<![.\w#])fetch\(|\bfetchWithPolicy\(|Deno\.connect|new WebSocket\(|from "undici"|globalThis\.fetch|fetcher\(/
            .test(source)
        ) {
          found.push(file.pathname.slice(root.pathname.length));
        }
      }
    }
  }
  await look(root);
  assertEquals(found.filter((name) => !/testing\//.test(name)).sort(), [...ALLOWED.keys()]);
});

/** Where, and whose address it is. */
const ALLOWED = new Map([
  ["dashboard/assets/script.ts", "the script of the page, in the browser"],
  ["gateway.ts", "the method of its own that answers requests"],
  ["openapi/docs_page.ts", "the script of the page, in the browser"],
  ["options.ts", "the method's type"],
  ["runtime/deploy.ts", "the handler that the runtime calls"],
  ["runtime/worker.ts", "the handler that the runtime calls"],
  ["tunnels/tunnels.ts", "Cloudflare's API, with the operator's token"],
  ["upstreams/fetch_transport.ts", "upstreams of the configuration"],
  ["upstreams/undici_transport.ts", "upstreams of the configuration"],
]);
