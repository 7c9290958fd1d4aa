/** Headers in both directions, caches, origins, proxies' claims about addresses, and what is open without a key. */
import { assert, assertEquals, assertFalse } from "@std/assert";
import { configSchema } from "@synth/core/config";
import { ROUTES } from "../../gateway/app.ts";
import { FULL_ORIGIN, startFullGateway } from "../support/full_gateway.ts";
import type { UpstreamTransport } from "../../gateway/upstreams/transport.ts";
import { DONE, finish, frame, httpError, text, usage } from "../support/chat_replies.ts";
import { serveRaw } from "../support/raw_http.ts";
import { eventsOfResponse, message } from "../support/responses_replies.ts";
import { spyUpstream } from "./spy_upstream.ts";

/** What a client may send and an upstream must not get. */
const PRIVATE = [
  "cookie",
  "host",
  "connection",
  "keep-alive",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-real-ip",
  "forwarded",
  "via",
  "cf-connecting-ip",
  "cf-ray",
  "true-client-ip",
  "x-api-key",
  "origin",
  "referer",
  "x-synth-session-id",
  "x-session-id",
  "x-codex-turn-metadata",
  "openai-organization",
  "openai-project",
  "x-secret-hop",
  "authorization-extra",
  "anthropic-beta",
  "user-agent",
  "accept-language",
  "if-none-match",
];
const GOOD_CHAT = [frame(text("hi")), frame(finish("stop")), frame(usage()), DONE];
const GOOD_RESPONSE = eventsOfResponse([message("hi", "there")])
  .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
/** All that an upstream gets. */
const FORWARDED = new Set([
  "accept",
  "accept-encoding",
  "authorization",
  "content-type",
  "user-agent",
  "x-request-id",
  "traceparent",
]);

Deno.test("an upstream gets no header of a client (hop-by-hop, connection-listed, x-forwarded-*, cf-*)", async () => {
  const transport = spyUpstream();
  await using it = await startFullGateway({ transport });
  const { key } = await it.key("org-a");
  const headers = new Headers({ authorization: `Bearer ${key}` });
  for (const name of PRIVATE) {
    if (name !== "x-api-key" && !/session-id/.test(name)) headers.set(name, "canary-value");
  }
  headers.set("connection", "close, x-secret-hop");
  for (const path of ["/v1/responses", "/v1/chat/completions"]) {
    const body = { model: "up-m", input: "x", messages: [{ role: "user", content: "x" }] };
    if (path.endsWith("responses")) Reflect.deleteProperty(body, "messages");
    else Reflect.deleteProperty(body, "input");
    const answer = await it.send(`POST ${path}`, body, headers);
    assertEquals(answer.status, 200);
    await answer.body?.cancel();
  }
  assertEquals(transport.sent.length, 2);
  for (const { headers: sent } of transport.sent) {
    for (const name of Object.keys(sent)) assert(FORWARDED.has(name.toLowerCase()), name);
    assertFalse(JSON.stringify(sent).includes("canary"));
    assertFalse(JSON.stringify(sent).includes(key));
  }
});

Deno.test("a client gets no header of an upstream, whatever the answer is", async () => {
  const evil = {
    "set-cookie": "a=canary",
    "x-canary": "1",
    "server": "canary",
    "access-control-allow-origin": "*",
    "strict-transport-security": "canary",
    "cache-control": "public, max-age=999",
    "location": "http://canary/",
    "www-authenticate": "canary",
    "alt-svc": "canary",
    "openai-organization": "canary",
    "link": "<canary>",
    "content-security-policy": "canary",
    "x-should-retry": "canary",
    "x-synth-session-id": "canary",
  };
  for (const status of [200, 400, 401, 429, 500]) {
    await using upstream = await serveRaw(() => ({
      ...httpError(status, "x"),
      headers: { "content-type": "application/json", ...evil },
    }));
    await using it = await startFullGateway({
      baseUrl: `http://127.0.0.1:${upstream.port}/v1`,
      clock: new (await import("../support/test_gateway.ts")).ImpatientClock(),
    });
    const { key } = await it.key("org-a");
    const answer = await it.send("POST /v1/responses", { model: "up-m", input: "x" }, {
      authorization: `Bearer ${key}`,
    });
    await answer.body?.cancel();
    const got = JSON.stringify([...answer.headers]);
    assertFalse(got.includes("canary"), `${status}: ${got}`);
    for (const name of ["set-cookie", "server", "location", "access-control-allow-origin"]) {
      assertEquals(answer.headers.get(name), null, name);
    }
    assertEquals(answer.headers.get("cache-control"), "no-store");
  }
});

Deno.test("a client gets no header of an upstream that answers well, streamed or whole, translated or passed on", async () => {
  const evil: [string, string][] = [
    ["set-cookie", "a=canary"],
    ["server", "canary"],
    ["x-canary", "1"],
    ["access-control-allow-origin", "*"],
    ["cache-control", "public, max-age=999"],
    ["x-request-id", "canary"],
    ["x-synth-session-id", "canary"],
    ["x-ratelimit-remaining-tokens", "canary"],
  ];
  const spy = spyUpstream();
  const transport: UpstreamTransport = {
    async send(request) {
      const reply = await spy.send(request);
      return { ...reply, headers: new Map([...evil, ...reply.headers]) };
    },
    close: () => spy.close(),
  };
  await using it = await startFullGateway({ transport });
  const { key } = await it.key("org-a");
  for (const model of ["up-m", "rev-m"]) {
    for (const stream of [true, false]) {
      for (
        const [path, body] of [
          ["/v1/responses", { input: "x", store: false }],
          ["/v1/chat/completions", { messages: [{ role: "user", content: "x" }] }],
        ] as const
      ) {
        spy.frames = model === "up-m" ? GOOD_CHAT : GOOD_RESPONSE;
        const where = `${model} ${path} ${stream ? "streamed" : "whole"}`;
        const headers = { authorization: `Bearer ${key}` };
        const answer = await it.send(`POST ${path}`, { ...body, model, stream }, headers);
        await answer.body?.cancel();
        // What the spy says whole is the answer of a Chat upstream.
        if (stream || model === "up-m") assertEquals(answer.status, 200, where);
        assertFalse(JSON.stringify([...answer.headers]).includes("canary"), where);
        for (const name of ["set-cookie", "server", "access-control-allow-origin"]) {
          assertEquals(answer.headers.get(name), null, `${where}: ${name}`);
        }
        assert(/^no-(?:store|cache)$/.test(answer.headers.get("cache-control") ?? ""), where);
      }
    }
  }
});

Deno.test("no answer to a key may be cached or sniffed (CVE-2026-24472, CVE-2026-44457: cache leaks)", async () => {
  await using it = await startFullGateway();
  const { key } = await it.key("org-a");
  for (const route of ROUTES) {
    const path = (route.paths[0] ?? "").replace(/:\w+(?:\{[^/]*\})?/g, "x");
    for (const headers of [{}, { authorization: `Bearer ${key}` }]) {
      const body = route.method === "GET" || route.method === "DELETE" ? undefined : {};
      const answer = await it.send(`${route.method} ${path}`, body, headers);
      await answer.body?.cancel();
      const cache = answer.headers.get("cache-control") ?? "";
      const common = ["/openapi.json", "/docs", "/dashboard/assets/:name"].includes(
        route.paths[0] ?? "",
      );
      assert(
        common || cache.includes("no-store") || cache.includes("no-cache"),
        `${route.method} ${path}: ${answer.status} ${cache}`,
      );
      assertEquals(answer.headers.get("x-content-type-options"), "nosniff");
      if (route.scope !== null) assertFalse(/public|max-age=[1-9]/.test(cache), path);
    }
  }
});

Deno.test("nobody is believed to be local because a header says so (CVE-2026-27700, CVE-2026-110719: loopback trusted when unset)", async () => {
  await using it = await startFullGateway();
  const ask = async (
    peer: string | null,
    headers: Record<string, string>,
    origin = FULL_ORIGIN,
  ) => {
    const request = new Request(`${origin}/metrics`, { headers });
    const answer = await it.gateway.fetch(request, peer === null ? {} : { peer: () => peer });
    await answer.body?.cancel();
    return answer.status;
  };
  assertEquals(await ask("127.0.0.1", {}), 200);
  assertEquals(await ask("::1", {}), 200);
  // Where the peer is not known, nobody is local.
  assertEquals(await ask(null, {}), 401);
  for (
    const name of [
      "x-forwarded-for",
      "x-real-ip",
      "forwarded",
      "cf-connecting-ip",
      "true-client-ip",
      "x-client-ip",
      "via",
    ]
  ) {
    for (const value of ["127.0.0.1", "::1", "localhost", "for=127.0.0.1"]) {
      for (const peer of ["203.0.113.9", "10.0.0.1", "127.0.0.1", "::ffff:127.0.0.1", null]) {
        assertEquals(await ask(peer, { [name]: value }), 401, `${peer} ${name}`);
      }
    }
  }
  for (const peer of ["203.0.113.9", "127.0.0.1.evil.test", "1127.0.0.1", "::2", "", "localhost"]) {
    assertEquals(await ask(peer, {}), 401, peer);
  }
  // A page whose name points here (DNS rebinding), and a page of another site.
  assertEquals(await ask("127.0.0.1", {}, "http://rebound.test"), 401);
  assertEquals(await ask("127.0.0.1", { origin: "http://evil.test" }), 401);
});

Deno.test("the origin null, and origins that only look alike, are not let in", async () => {
  await using it = await startFullGateway({ settings: { cors_origins: ["https://app.test"] } });
  const lookalikes = [
    "null",
    "https://app.test.evil.test",
    "http://app.test",
    "https://app.test:444",
    "https://APP.test",
    "https://xapp.test",
    "https://app.test/",
    "https://app.test\t",
    "file://",
    "https://evil.test/https://app.test",
  ];
  for (const origin of lookalikes) {
    for (const method of ["OPTIONS", "GET"]) {
      const answer = await it.gateway.fetch(
        new Request(`${FULL_ORIGIN}/v1/models`, {
          method,
          headers: { origin, "access-control-request-method": "GET" },
        }),
      );
      await answer.body?.cancel();
      const allowed = answer.headers.get("access-control-allow-origin");
      // A tab at the end is no part of the value on the wire.
      assertEquals(
        allowed,
        origin.trim() === "https://app.test" ? "https://app.test" : null,
        origin,
      );
      assertEquals(answer.headers.get("access-control-allow-credentials"), null);
    }
  }
});

Deno.test("the defaults open nothing: this machine only, no admin without a key (CVE-2026-90898, CVE-2026-86242)", async () => {
  const { gateway } = configSchema.parse({});
  assertEquals(gateway.host, "127.0.0.1");
  assertEquals(gateway.cors_origins, []);
  await using it = await startFullGateway();
  for (const route of ROUTES.filter(({ scope }) => scope === "admin")) {
    const path = (route.paths[0] ?? "").replace(/:\w+/g, "x");
    const body = route.method === "GET" || route.method === "DELETE" ? undefined : {};
    assertEquals((await it.send(`${route.method} ${path}`, body)).status, 401);
  }
});
