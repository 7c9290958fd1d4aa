/** No secret reaches a log, an error or another place where it does not belong: unique marks in every slot, on every path. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Authenticator, type Principal } from "@synth/core/auth";
import { serveGateway } from "@synth/gateway/deno";
import { ROUTES } from "../gateway/app.ts";
import {
  errorChunk,
  finish,
  frame,
  httpError,
  json,
  sse,
  stream,
  text,
  usage,
} from "./support/chat_replies.ts";
import type { RawReply } from "./support/raw_http.ts";
import { startUpstream } from "./support/scripted_upstream.ts";
import { startGateway, type TestGateway } from "./support/test_gateway.ts";

const UPSTREAM_KEY = "up-key-canary-77f1";
const CLIENT_KEY = "client-key-canary-0b3d";

/** The key as JSON may write it as well: with characters by number, in either case. */
const ESCAPED_KEY = UPSTREAM_KEY.replace("u", "\\u0075").replace("-", "\\u002D");

/** Headers that clients send, each with a mark of its own. */
const HEADERS: Record<string, string> = {
  "cookie": "session=canary-cookie-11",
  "x-forwarded-for": "canary-forwarded-12",
  "user-agent": "canary-agent-13",
  "session-id": "canary-session-14",
  "x-session-id": "canary-xsession-15",
  "x-codex-turn-metadata": "canary-metadata-16",
  "referer": "http://canary-referer-17/",
  "x-anything": "canary-anything-18",
  "openai-organization": "canary-organization-19",
};

function body(model: string): Record<string, unknown> {
  return {
    model,
    input: [{ role: "user", content: "canary-input-21" }],
    instructions: "canary-instructions-22",
    metadata: { note: "canary-metadata-23" },
    user: "canary-user-24",
    prompt_cache_key: "canary-cache-25",
    client_metadata: { x: "canary-client-26" },
    tools: [{ type: "function", name: "f", description: "canary-tool-27", parameters: {} }],
  };
}

/** What the upstream says; each mark must stay out of the log, and the key out of everything. */
const REPLIES: Record<string, RawReply> = {
  "fine": stream(text("canary-output-31"), finish("stop"), usage()),
  "quotes the key in a 400": httpError(400, `canary-words-32 Incorrect key: ${UPSTREAM_KEY}`),
  "quotes the key in a 401": httpError(401, `canary-words-33 ${UPSTREAM_KEY}`),
  "quotes the key in a 500": httpError(500, `canary-words-34 ${UPSTREAM_KEY}`),
  "quotes the key in a 429": httpError(429, `canary-words-35 ${UPSTREAM_KEY}`, null, {
    "retry-after": "99",
  }),
  "quotes the key in a stream": sse([
    frame(text("canary-output-36")),
    frame(errorChunk(`broke with ${UPSTREAM_KEY}`)),
  ]),
  "quotes the key in text": stream(text(`my key is ${UPSTREAM_KEY}`), finish("stop"), usage()),
  "quotes the key in text, escaped": sse([
    `data: {"choices":[{"index":0,"delta":{"content":"my key is ${ESCAPED_KEY}"}}]}\n\n`,
    `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n`,
    "data: [DONE]\n\n",
  ]),
  "quotes the key in a whole answer, escaped": {
    ...json(200, {}),
    steps: [
      `{"choices":[{"index":0,"message":{"role":"assistant","content":"${ESCAPED_KEY}",` +
      `"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\\"${ESCAPED_KEY}\\":1}"}}]},` +
      `"finish_reason":"stop"}],"${ESCAPED_KEY}":1}`,
    ],
  },
  "quotes the key in an error, escaped": {
    ...json(400, {}),
    steps: [`{"error":{"message":"no such key: ${ESCAPED_KEY}","code":"c"}}`],
  },
  "quotes the key in JSON": json(200, {
    error: { message: `broke with ${UPSTREAM_KEY}`, code: 400 },
  }),
  "quotes the key in its headers": {
    ...stream(text("x"), finish("stop")),
    headers: { "content-type": "text/event-stream", "x-echo": UPSTREAM_KEY },
  },
  "redirects with the key": {
    status: 302,
    headers: { location: `http://x/?${UPSTREAM_KEY}` },
    steps: [],
  },
  "sends no HTTP": sse([], { before: "cut" }),
};

/** Whole headers and bodies, as a client sees them. */
async function seenOf(response: Response): Promise<string> {
  return JSON.stringify([...response.headers]) + await response.text();
}

function assertClean(it: TestGateway, seen: string, where: string): void {
  const log = it.lines.join("\n");
  assert(!log.includes("canary"), `${where}: the log has ${/[^"\s]*canary[^"\s]*/.exec(log)?.[0]}`);
  const plain = seen.replace(
    /\\u([0-9a-f]{4})/gi,
    (_, code) => String.fromCharCode(parseInt(code, 16)),
  );
  assert(!plain.includes(UPSTREAM_KEY), `${where}: the answer has the upstream's key`);
  assert(!seen.includes(CLIENT_KEY), `${where}: the answer has the client's key`);
}

async function start(baseUrl: string): Promise<TestGateway> {
  const principal: Principal = {
    org: "o",
    user: "u",
    keyId: "key_1",
    scopes: new Set(["infer", "admin"]),
    expiresAt: null,
  };
  return await startGateway({
    baseUrl,
    upstream: { api_key_env: "K" },
    secrets: { env: (name) => name === "K" ? UPSTREAM_KEY : undefined },
    authenticator: new Authenticator({ staticKeys: [{ key: CLIENT_KEY, principal }] }),
    loadConfig: () => Promise.reject(new Error("unreadable")),
    settings: { idle_timeout_s: 5 },
  });
}

for (const [name, reply] of Object.entries(REPLIES)) {
  for (const stream of [true, false]) {
    Deno.test(`no secret leaks when an upstream ${name}, ${stream ? "streamed" : "whole"}`, async () => {
      await using upstream = await startUpstream({ reply: () => reply });
      await using it = await start(upstream.baseUrl);
      const headers = { ...HEADERS, authorization: `Bearer ${CLIENT_KEY}` };
      const path = "/v1/responses?token=canary-query-51&cid=nothing-sane-canary";
      const seen = await seenOf(await it.post(path, { ...body("up-m"), stream }, { headers }));
      assertClean(it, seen, name);
      const chat = {
        model: "up-m",
        stream,
        messages: [{ role: "user", content: "canary-chat-52" }],
      };
      const chatSeen = await seenOf(await it.post("/v1/chat/completions", chat, { headers }));
      assertClean(it, chatSeen, `${name} (chat)`);
      const sent = upstream.requests.map(({ headers }) => JSON.stringify([...headers])).join();
      assert(!sent.includes(CLIENT_KEY));
      assert(!sent.includes("canary-cookie") && !sent.includes("canary-session"));
    });
  }
}

Deno.test("no secret leaks from any route, with bad bodies and bad keys", async () => {
  await using upstream = await startUpstream();
  await using it = await start(upstream.baseUrl);
  let requests = 0;
  for (const { method, paths } of ROUTES) {
    for (const path of [...paths, "/canary-path-61"]) {
      const url = path.replace(/:trace\{[^/]+\}/, "trace_1").replace(
        /:\w+(?:\{[^/]*\})?/g,
        "canary-model-62",
      );
      for (const key of [CLIENT_KEY, "wrong-key-canary-63", "bad key canary 64"]) {
        for (
          const text of [
            '{"canary-broken-65',
            `{"model":"canary-model-66","input":"x"}`,
            '{"canary-field-67":1}',
          ]
        ) {
          const request = new Request(`http://gateway.test${url}?x=canary-query-68`, {
            method,
            headers: { ...HEADERS, authorization: `Bearer ${key}` },
            ...(method === "GET" ? {} : { body: text }),
          });
          const seen = await seenOf(await it.gateway.fetch(request));
          assertClean(it, seen, `${method} ${url}`);
          assert(!seen.includes("wrong-key-canary"), "a wrong key is not quoted either");
          assert(!seen.includes("canary-broken"), "broken JSON is not quoted");
          requests++;
        }
      }
    }
  }
  assertEquals(it.lines.filter((line) => line.includes('"msg":"request"')).length, requests);
});

Deno.test("no secret leaks over a real socket", async () => {
  await using it = await start("http://127.0.0.1:1/v1");
  const server = serveGateway(it.gateway, { hostname: "127.0.0.1", port: 0 });
  const response = await fetch(`${server.url}/v1/responses?k=canary-query-71`, {
    method: "POST",
    headers: { ...HEADERS, authorization: `Bearer ${CLIENT_KEY}` },
    body: JSON.stringify(body("up-m")),
  });
  assertEquals(response.status, 504);
  assertClean(it, await seenOf(response), "socket");
  await server.stop();
});

Deno.test("no secret leaks when an upstream quotes a header of the operator's that carries one", async () => {
  const secret = "header-secret-canary-91";
  await using upstream = await startUpstream({ reply: () => httpError(400, `bad ${secret}, web`) });
  const headers = { "api-key": secret, "x-title": "web" };
  await using it = await startGateway({ baseUrl: upstream.baseUrl, upstream: { headers } });
  for (const stream of [true, false]) {
    const seen = await seenOf(await it.post("/v1/responses", { ...body("up-m"), stream }));
    assert(!seen.includes(secret));
    assertStringIncludes(seen, ", web");
  }
  assertEquals(upstream.requests[0]?.headers.get("api-key"), secret);
});
