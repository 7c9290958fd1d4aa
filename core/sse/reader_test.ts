import { assertEquals, assertRejects } from "@std/assert";
import { SseParser } from "./parser.ts";
import { openByteReader, readBytes, readSse } from "./reader.ts";

interface Source {
  stream: ReadableStream<Uint8Array>;
  cancelled: unknown[];
}

/** A stream of these chunks: a byte stream (BYOB) or a plain one. */
function source(chunks: string[], kind: "bytes" | "plain", fail?: Error): Source {
  const cancelled: unknown[] = [];
  let next = 0;
  const pull = (
    controller: { enqueue(chunk: Uint8Array): void; close(): void; error(e: unknown): void },
  ) => {
    const chunk = chunks[next++];
    if (chunk !== undefined) controller.enqueue(new TextEncoder().encode(chunk));
    else if (fail) controller.error(fail);
    else controller.close();
  };
  const cancel = (reason: unknown) => void cancelled.push(reason);
  const stream = kind === "plain"
    ? new ReadableStream<Uint8Array>({ pull, cancel })
    : new ReadableStream({
      type: "bytes",
      pull(controller) {
        pull(controller);
        if (next > chunks.length) controller.byobRequest?.respond(0);
      },
      cancel,
    });
  return { stream, cancelled };
}

for (const kind of ["bytes", "plain"] as const) {
  Deno.test(`readBytes gives all bytes of a ${kind} stream`, async () => {
    const { stream } = source(["ab", "c", "d".repeat(200_000)], kind);
    let text = "";
    for await (const chunk of readBytes(stream)) text += new TextDecoder().decode(chunk);
    assertEquals(text, "abc" + "d".repeat(200_000));
  });

  Deno.test(`readBytes cancels a ${kind} stream when the loop is left`, async () => {
    const { stream, cancelled } = source(["ab", "c"], kind);
    for await (const chunk of readBytes(stream)) {
      assertEquals(chunk.length, 2);
      break;
    }
    assertEquals(cancelled.length, 1);
  });

  Deno.test(`readBytes rejects with the error of a ${kind} stream`, async () => {
    const { stream } = source(["ab"], kind, new Error("reset"));
    let text = "";
    await assertRejects(
      async () => {
        for await (const chunk of readBytes(stream)) text += new TextDecoder().decode(chunk);
      },
      Error,
      "reset",
    );
    assertEquals(text, "ab");
  });

  Deno.test(`openByteReader cancel tells the source of a ${kind} stream why`, async () => {
    const { stream, cancelled } = source(["ab", "c", "d"], kind);
    const reader = openByteReader(stream);
    await reader.read();
    const reason = new Error("client gone");
    await reader.cancel(reason);
    await reader.cancel(reason);
    assertEquals(cancelled, [reason]);
    assertEquals(await reader.read(), null);
  });

  Deno.test(`readSse parses a ${kind} stream to its end`, async () => {
    const { stream } = source(["data: 1\n", '\ndata: {"a"', ":2}\n\n", "data: 3"], kind);
    const seen: string[] = [];
    await readSse(stream, new SseParser({ onEvent: (data) => seen.push(data) }));
    assertEquals(seen, ["1", '{"a":2}', "3"]);
  });

  Deno.test(`readSse cancels a ${kind} stream when a callback throws`, async () => {
    const { stream, cancelled } = source(["data: 1\n\n", "data: 2\n\n"], kind);
    const stop = new Error("enough");
    const parser = new SseParser({
      onEvent: () => {
        throw stop;
      },
    });
    await assertRejects(() => readSse(stream, parser), Error, "enough");
    assertEquals(cancelled, [stop]);
  });
}

Deno.test("openByteReader refuses a locked stream", async () => {
  const { stream } = source(["a"], "plain");
  const lock = stream.getReader();
  await assertRejects(() => Promise.resolve().then(() => openByteReader(stream)), TypeError);
  await lock.cancel();
});

Deno.test("readSse reads a fetched body", async () => {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, () => {
    let n = 0;
    return new Response(
      new ReadableStream<Uint8Array>({
        pull(controller) {
          if (n === 200) return controller.close();
          controller.enqueue(new TextEncoder().encode(`data: ${n++} é\r\n\r\n`));
        },
      }),
    );
  });
  const response = await fetch(`http://127.0.0.1:${server.addr.port}/`);
  const seen: string[] = [];
  if (response.body === null) throw new Error("no body");
  await readSse(response.body, new SseParser({ onEvent: (data) => seen.push(data) }));
  assertEquals(seen, Array.from({ length: 200 }, (_, i) => `${i} é`));
  await server.shutdown();
});
