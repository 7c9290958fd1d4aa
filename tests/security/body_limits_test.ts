/** Bodies that lie about their length, explode, nest, repeat themselves or hold numbers that no double can. */
import { assert, assertEquals } from "@std/assert";
import { gzipSync } from "node:zlib";
import { serveGateway } from "@synth/gateway/deno";
import { FULL_ORIGIN, startFullGateway } from "../support/full_gateway.ts";
import { sendRaw } from "../support/raw_client.ts";
import { spyUpstream } from "./spy_upstream.ts";

const CAP = 65_536;
const ASK = JSON.stringify({ model: "up-m", input: "x" });

async function world() {
  const transport = spyUpstream();
  const it = await startFullGateway({ transport, settings: { max_body_bytes: CAP } });
  const { key } = await it.key("org-a");
  const send = async (
    body: BodyInit,
    headers: Record<string, string> = {},
    path = "/v1/responses",
  ) => {
    const answer = await it.gateway.fetch(
      new Request(FULL_ORIGIN + path, {
        method: "POST",
        headers: {
          authorization: `Bearer ${key}`,
          "content-type": "application/json",
          "x-no-session": "true",
          ...headers,
        },
        body,
      }),
    );
    const { error } = await answer.json();
    return error === undefined || error === null
      ? `${answer.status}`
      : `${answer.status} ${error.code}`;
  };
  return { it, transport, key, send, [Symbol.asyncDispose]: () => it[Symbol.asyncDispose]() };
}

Deno.test("the cap holds for chunked bodies and for lengths that lie (CVE-2026-44456: chunked bypass)", async () => {
  await using it = await world();
  const server = serveGateway(it.it.gateway, { hostname: "127.0.0.1", port: 0 });
  const head = (more: string) =>
    `POST /v1/responses HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${it.key}\r\n` +
    `Content-Type: application/json\r\n${more}\r\n\r\n`;
  const chunk = "x".repeat(16_384);
  const framed = `${chunk.length.toString(16)}\r\n${chunk}\r\n`;
  const chunked = await sendRaw(
    server.port,
    head("Transfer-Encoding: chunked"),
    ...Array(8).fill(framed),
    // Its end, so that a gateway which counts nothing answers something else.
    "0\r\n\r\n",
  );
  assertEquals(chunked.status, 413);
  // Both lengths at once: refused, or the chunks count; what stands behind them is no second request.
  const both = await sendRaw(
    server.port,
    head("Content-Length: 4\r\nTransfer-Encoding: chunked"),
    "0\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n",
  );
  assert(both.status >= 400, String(both.status));
  for (const length of ["-1", "1, 2", "0x10", "abc", "99999999999999999999999"]) {
    const answer = await sendRaw(server.port, head(`Content-Length: ${length}`), "{}");
    assert(answer.status >= 400 || answer.status === 0 || Number.isNaN(answer.status), length);
  }
  assertEquals(it.transport.sent, []);
  await server.stop(0);
});

Deno.test("the cap is the last length that is taken, however the body comes and whatever its header says", async () => {
  await using it = await world();
  const whole = (bytes: number) => ASK.slice(0, -1) + " ".repeat(bytes - ASK.length) + "}";
  for (const [bytes, said] of [[CAP, "200"], [CAP + 1, "413 body_too_large"]] as const) {
    const text = whole(bytes);
    assertEquals(text.length, bytes);
    assertEquals(await it.send(text), said, "declared");
    assertEquals(await it.send(new Blob([text]).stream()), said, "chunked");
    const zipped = { "content-encoding": "gzip" };
    assertEquals(await it.send(new Uint8Array(gzipSync(text)), zipped), said, "compressed");
    const lying = { "content-length": "10" };
    assertEquals(await it.send(new Blob([text]).stream(), lying), said, "declared too short");
  }
  // What says that it is too long is not read at all.
  let pulled = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (++pulled > 1) controller.close();
      else controller.enqueue(new TextEncoder().encode(ASK));
    },
  }, { highWaterMark: 0 });
  assertEquals(
    await it.send(body, { "content-length": String(CAP + 1) }),
    "413 body_too_large",
  );
  assertEquals(pulled, 0);
});

Deno.test("a body is inflated under the cap, once, and only as gzip or deflate (decompression bombs)", async () => {
  await using it = await world();
  const bomb = gzipSync(new Uint8Array(64 * 1024 * 1024));
  assert(bomb.length < CAP);
  assertEquals(
    await it.send(new Uint8Array(bomb), { "content-encoding": "gzip" }),
    "413 body_too_large",
  );
  const twice = new Uint8Array(gzipSync(gzipSync(ASK)));
  for (
    const encoding of ["gzip, gzip", "gzip,deflate", "br", "zstd", "compress", "x-gzip", "gzip;q=1"]
  ) {
    assertEquals(
      await it.send(twice, { "content-encoding": encoding }),
      "415 unsupported_content_encoding",
      encoding,
    );
  }
  assertEquals(await it.send(twice, { "content-encoding": "gzip" }), "400 invalid_utf8");
  assertEquals(await it.send(new Uint8Array(gzipSync(ASK)), { "content-encoding": "gzip" }), "200");
});

Deno.test("JSON that nests, lists or repeats without end is refused before it is built (CVE-2026-84364)", async () => {
  await using it = await world();
  const deep = (n: number) =>
    `{"model":"up-m","input":"x","metadata":${"[".repeat(n)}${"]".repeat(n)}}`;
  assertEquals(await it.send(deep(1000)), "400 json_too_deep");
  assertEquals(await it.send(deep(30_000)), "400 json_too_deep");
  assertEquals(await it.send("[".repeat(60_000)), "400 json_too_deep");
  assertEquals(await it.send(`{"a":`.repeat(10_000)), "400 json_too_deep");
  // Neither do brackets in a text count, nor do quotes hide those behind them.
  assertEquals(
    await it.send(JSON.stringify({ model: "up-m", input: '[{"'.repeat(500) })),
    "200",
  );
  assertEquals(
    await it.send(`{"model":"up-m","input":"\\\\","metadata":${"[".repeat(500)}`),
    "400 json_too_deep",
  );
});

Deno.test("of a key that comes twice the value that is checked is the one that is sent", async () => {
  await using it = await world();
  const twice =
    `{"model":"rev-m","input":"first","model":"up-m","input":"second","max_output_tokens":1000000,"max_output_tokens":32}`;
  assertEquals(await it.send(twice), "200");
  const sent = it.transport.sent.at(-1);
  const body = JSON.parse(sent?.body ?? "");
  assertEquals(body.messages.at(-1).content, "second");
  assertEquals(body.max_completion_tokens ?? body.max_tokens, 32);
  const chat =
    `{"model":"up-m","messages":[{"role":"user","content":"a"}],"max_tokens":999999,"max_tokens":17}`;
  assertEquals(await it.send(chat, {}, "/v1/chat/completions"), "200");
  const text = it.transport.sent.at(-1)?.body ?? "";
  assert(!text.includes("999999"));
  assertEquals(text.split("max_tokens").length + text.split("max_completion_tokens").length, 3);
});

Deno.test("members that change prototypes are refused, others of that kind are harmless (CVE-2026-56763, GHSA-v8w9-8mx6-g223)", async () => {
  await using it = await world();
  for (
    const member of [
      `"__proto__":{"polluted":1}`,
      `"metadata":{"__proto__":{"polluted":1}}`,
      `"\\u005f_proto__":{"polluted":1}`,
      `"tools":[{"type":"function","name":"f","parameters":{"__proto__":{"polluted":1}}}]`,
    ]
  ) {
    assertEquals(
      await it.send(`{"model":"up-m","input":"x",${member}}`),
      "400 json_unsafe_key",
      member,
    );
  }
  for (const name of ["constructor", "prototype", "toString", "hasOwnProperty", "valueOf"]) {
    const body = {
      model: "up-m",
      input: [
        { role: "user", content: "x" },
        { type: "function_call", call_id: name, name, arguments: "{}" },
        { type: "function_call_output", call_id: name, output: name },
      ],
      metadata: { [name]: name },
      tools: [{
        type: "function",
        name,
        parameters: { type: "object", properties: { [name]: {} } },
      }],
    };
    assertEquals(await it.send(JSON.stringify(body)), "200", name);
    const sent = JSON.parse(it.transport.sent.at(-1)?.body ?? "");
    assertEquals(sent.tools[0].function.name, name);
  }
  assertEquals(Reflect.get({}, "polluted"), undefined);
  assertEquals(Object.keys(Object.prototype), []);
});

Deno.test("numbers beyond doubles and halves of characters neither crash nor pass as something else", async () => {
  await using it = await world();
  for (const number of ["1e999", "-1e999", "9007199254740993", "0.1", "-1", "1e21"]) {
    const said = await it.send(`{"model":"up-m","input":"x","max_output_tokens":${number}}`);
    assert(said.startsWith("400 "), `${number}: ${said}`);
    const opened = await it.send(
      `{"limits":[{"limit_type":"hard","metric_type":"tokens","limit_value":${number}}]}`,
      {},
      "/api/v1/sessions",
    );
    assert(opened.startsWith("400 "), `${number}: ${opened}`);
  }
  assertEquals(await it.send(`{"model":"up-m","input":"\\ud83d"}`), "200");
  assertEquals(it.transport.sent.at(-1)?.body?.isWellFormed(), true);
  assertEquals(await it.send(new Uint8Array([0x22, 0xff, 0xfe, 0x22])), "400 invalid_utf8");
  assertEquals(await it.send(new Uint8Array([0xc0, 0xaf])), "400 invalid_utf8");
});
