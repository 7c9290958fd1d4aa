import { assertEquals, assertLess, assertRejects, assertThrows } from "@std/assert";
import { SynthError } from "./errors.ts";
import { decodeUtf8, readBodyLimited, readJsonLimited } from "./http_body.ts";

/** A body without end that counts what was taken from it. */
function endless(): {
  body: ReadableStream<Uint8Array>;
  taken: () => number;
  reason: () => unknown;
} {
  let taken = 0;
  let reason: unknown;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      taken++;
      controller.enqueue(new Uint8Array(100));
    },
    cancel(why) {
      reason = why;
      return new Promise(() => {});
    },
  }, { highWaterMark: 0 });
  return { body, taken: () => taken, reason: () => reason };
}

Deno.test("readBodyLimited reads up to the limit and not one byte more", async () => {
  const body = () => new Response("x".repeat(1000)).body;
  assertEquals((await readBodyLimited(body(), 1000)).length, 1000);
  const error = await assertRejects(() => readBodyLimited(body(), 999), SynthError);
  assertEquals([error.status, error.code], [413, "body_too_large"]);
  assertEquals((await readBodyLimited(null, 0)).length, 0);
});

Deno.test("readBodyLimited joins chunks", async () => {
  const body = ReadableStream.from([new Uint8Array([1, 2]), new Uint8Array(), new Uint8Array([3])]);
  assertEquals([...await readBodyLimited(body, 3)], [1, 2, 3]);
});

Deno.test("readBodyLimited cancels an endless body at the limit, without waiting for it", async () => {
  const { body, taken, reason } = endless();
  const error = await assertRejects(() => readBodyLimited(body, 1000), SynthError);
  assertEquals(taken(), 11);
  assertEquals(reason(), error);
});

Deno.test("readBodyLimited does not believe a Content-Length", async () => {
  const request = new Request("http://localhost/", {
    method: "POST",
    headers: { "content-length": "3" },
    body: "x".repeat(5000),
  });
  await assertRejects(
    () => readBodyLimited(request.body, 100),
    SynthError,
    "larger than 100 bytes",
  );
});

Deno.test("readBodyLimited stops a chunked upload over a socket", async () => {
  let code = "";
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    async (request) => {
      try {
        await readBodyLimited(request.body, 10_000);
      } catch (error) {
        if (error instanceof SynthError) code = error.code;
      }
      return new Response("seen");
    },
  );
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (++sent > 4000) controller.close();
      else controller.enqueue(new Uint8Array(10_000));
    },
  });
  try {
    const response = await fetch(`http://127.0.0.1:${server.addr.port}`, { method: "POST", body });
    await response.text();
  } catch {
    // The server may close the connection before the upload is over.
  }
  assertEquals(code, "body_too_large");
  assertLess(sent, 4000);
  await server.shutdown();
});

Deno.test("decodeUtf8 refuses what is not UTF-8 and drops a BOM", () => {
  assertEquals(decodeUtf8(new Uint8Array([0xEF, 0xBB, 0xBF, 0x61])), "a");
  for (
    const bytes of [[0xFF], [0xC3], [0xED, 0xA0, 0x80], [0xC0, 0x80], [0xF4, 0x90, 0x80, 0x80]]
  ) {
    const error = assertThrows(() => decodeUtf8(new Uint8Array(bytes)), SynthError);
    assertEquals([error.status, error.code], [400, "invalid_utf8"]);
  }
});

Deno.test("readJsonLimited applies every limit", async () => {
  const body = (text: string) => new Response(text).body;
  assertEquals(await readJsonLimited(body('{"a":[1]}')), { a: [1] });
  const code = async (text: string) =>
    (await assertRejects(
      () => readJsonLimited(body(text), { maxBytes: 20, maxDepth: 2, maxItems: 4 }),
      SynthError,
    )).code;
  assertEquals(await code("[1,2,3,4,5,6,7,8,9,10]"), "body_too_large");
  assertEquals(await code("[[[1]]]"), "json_too_deep");
  assertEquals(await code("[1,2,3,4,5]"), "json_too_many_items");
  assertEquals(await code("[1"), "invalid_json");
  assertEquals(await code(""), "invalid_json");
});
