/** Web pages that may call the gateway: those that the operator listed, and no other. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { startGateway, TEST_KEY } from "./support/test_gateway.ts";

const PAGE = "https://app.example";
const HELLO = { model: "synth-demo", input: "Say hi" };

function preflight(origin: string, method = "POST", path = "/v1/responses"): Request {
  const headers = {
    origin,
    "access-control-request-method": method,
    "access-control-request-headers": "authorization, content-type",
  };
  return new Request(`http://gateway.test${path}`, { method: "OPTIONS", headers });
}

Deno.test("cors is off by default", async () => {
  await using it = await startGateway();
  const asked = await it.gateway.fetch(preflight(PAGE));
  assertEquals([asked.status, asked.headers.get("access-control-allow-origin")], [405, null]);
  await asked.body?.cancel();
  const answer = await it.post("/v1/responses", HELLO, { headers: { origin: PAGE } });
  assertEquals(answer.status, 200);
  assertEquals(answer.headers.get("access-control-allow-origin"), null);
  await answer.body?.cancel();
});

Deno.test("cors lets listed pages ask without a key, call, and read our headers", async () => {
  await using it = await startGateway({ settings: { cors_origins: [PAGE] } });
  const asked = await it.gateway.fetch(preflight(PAGE));
  assertEquals(asked.status, 204);
  assertEquals(asked.headers.get("access-control-allow-origin"), PAGE);
  assertEquals(asked.headers.get("access-control-allow-methods"), "POST, GET");
  assertEquals(asked.headers.get("access-control-allow-credentials"), null);
  const allowed = asked.headers.get("access-control-allow-headers") ?? "";
  for (const name of ["authorization", "content-type", "x-synth-session-id"]) {
    assertStringIncludes(allowed, name);
  }
  for (const model of ["synth-demo", "no-such-model"]) {
    for (const stream of [true, false]) {
      const body = { ...HELLO, model, stream };
      const answer = await it.post("/v1/responses", body, { headers: { origin: PAGE } });
      assertEquals(answer.headers.get("access-control-allow-origin"), PAGE);
      assertEquals(answer.headers.get("vary"), "origin");
      assertStringIncludes(
        answer.headers.get("access-control-expose-headers") ?? "",
        "x-request-id",
      );
      await answer.body?.cancel();
    }
  }
});

Deno.test("cors tells other pages nothing", async () => {
  await using it = await startGateway({ settings: { cors_origins: [PAGE] } });
  const others = [
    "https://app.example.evil",
    "http://app.example",
    "https://app.example:444",
    "null",
  ];
  for (const origin of others) {
    const asked = await it.gateway.fetch(preflight(origin));
    assertEquals([asked.status, asked.headers.get("access-control-allow-origin")], [405, null]);
    // A cache must not hand this answer to the page that is listed.
    assertEquals(asked.headers.get("vary"), "origin");
    await asked.body?.cancel();
  }
  const headers = { authorization: `Bearer ${TEST_KEY}` };
  const plain = await it.gateway.fetch(
    new Request("http://gateway.test/v1/responses", { method: "OPTIONS", headers }),
  );
  assertEquals(plain.status, 405);
  await plain.body?.cancel();
});

Deno.test("cors lets every page in where the operator wrote a star", async () => {
  await using it = await startGateway({ settings: { cors_origins: ["*"] } });
  const asked = await it.gateway.fetch(preflight("https://any.example", "GET", "/v1/models"));
  assertEquals(asked.status, 204);
  assertEquals(asked.headers.get("access-control-allow-origin"), "*");
  assertEquals(asked.headers.get("access-control-allow-methods"), "GET");
  const unknown = await it.gateway.fetch(preflight("https://any.example", "GET", "/nowhere"));
  assertEquals(unknown.status, 404);
  await unknown.body?.cancel();
});

Deno.test("cors lets a page send what OpenAI's SDK sends from a browser, and what our own API takes", async () => {
  await using it = await startGateway({ settings: { cors_origins: [PAGE] } });
  const sent = [
    "authorization",
    "content-type",
    "idempotency-key",
    "openai-beta",
    "openai-organization",
    "openai-project",
    "traceparent",
    "x-api-key",
    "x-client-request-id",
    "x-stainless-arch",
    "x-stainless-lang",
    "x-stainless-os",
    "x-stainless-package-version",
    "x-stainless-retry-count",
    "x-stainless-runtime",
    "x-stainless-runtime-version",
    "x-stainless-timeout",
  ];
  const asked = async (names: string) => {
    const request = preflight(PAGE);
    request.headers.set("access-control-request-headers", names);
    const { status, headers } = await it.gateway.fetch(request);
    assertEquals([status, headers.get("access-control-allow-origin")], [204, PAGE]);
    return headers.get("access-control-allow-headers")?.split(", ") ?? [];
  };
  for (const names of [sent.join(","), sent.join(", ").toUpperCase()]) {
    const allowed = await asked(names);
    assertEquals(sent.filter((name) => !allowed.includes(name)), []);
  }
  // Nothing else that is asked for, and no word of it in our answer.
  const odd = await asked("x-forwarded-for, cookie, x-stainless-\u00e4, x-stainless-a b, *");
  for (const name of ["x-forwarded-for", "cookie", "*"]) assertEquals(odd.includes(name), false);
  assertEquals(odd.filter((name) => name.startsWith("x-stainless")), []);
});

Deno.test("cors lets a page read where the next page of a list is", async () => {
  await using it = await startGateway({ settings: { cors_origins: [PAGE] } });
  const answer = await it.post("/v1/responses", HELLO, { headers: { origin: PAGE } });
  const exposed = answer.headers.get("access-control-expose-headers")?.split(", ") ?? [];
  for (const name of ["link", "retry-after", "x-request-id"]) {
    assertEquals(exposed.includes(name), true, name);
  }
  await answer.body?.cancel();
});
