/**
 * Large turns through the whole gateway over sockets: histories of 1,000 and 10,000 items, answers of 1 and 10 MB. Time must grow with
 * the size; the heap that is left after the streams is printed at the end.
 *
 *     deno bench -A bench/large_turns_bench.ts
 *
 * @module
 */
import { createGateway } from "@synth/gateway";
import { configSchema } from "@synth/core/config";
import { createLogger } from "@synth/core";
import { Authenticator } from "@synth/core/auth";
import { undiciTransport } from "@synth/gateway/deno";

const encoder = new TextEncoder();
const PIECE = "a piece of text that is a hundred bytes long ".repeat(2) + "..........";
const FRAME = encoder.encode(
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: PIECE } }] })}\n\n`.repeat(100),
);
const END = encoder.encode(
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] })}\n\n` +
    "data: [DONE]\n\n",
);

/** Sends as many megabytes as the model's name says. */
const upstream = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
  const { model } = await request.json() as { model: string };
  let left = Number(model.slice(3)) * 100;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (left-- > 0) return controller.enqueue(FRAME);
      controller.enqueue(END);
      controller.close();
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
});
upstream.unref();

const KEY = "bench-key-of-the-gateway";
const gateway = await createGateway({
  config: configSchema.parse({
    upstreams: { up: { base_url: `http://127.0.0.1:${upstream.addr.port}/v1` } },
    models: { "mb-*": { upstream: "up", price: "free" } },
  }),
  authenticator: new Authenticator({
    staticKeys: [{
      key: KEY,
      principal: {
        org: "o",
        user: "u",
        keyId: "key_bench",
        scopes: new Set(["infer"]),
        expiresAt: null,
      },
    }],
  }),
  secrets: { env: () => undefined },
  transport: undiciTransport(),
  log: createLogger({ write() {}, level: "error" }),
});

async function send(body: string): Promise<number> {
  const response = await gateway.fetch(
    new Request("http://gateway.bench/v1/responses", {
      method: "POST",
      headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
      body,
    }),
  );
  if (response.status !== 200 || response.body === null) throw new Error(await response.text());
  let bytes = 0;
  for await (const chunk of response.body) bytes += chunk.length;
  return bytes;
}

for (const items of [1_000, 10_000]) {
  const input = Array.from({ length: items }, (_, n) => ({ role: "user", content: `text ${n}` }));
  const body = JSON.stringify({ model: "mb-0.01", input, stream: true });
  Deno.bench(
    `a history of ${items} items`,
    { group: "history", baseline: items === 1_000 },
    async () => {
      await send(body);
    },
  );
}

for (const size of [1, 10]) {
  const body = JSON.stringify({ model: `mb-${size}`, input: "hi", stream: true });
  Deno.bench(
    `an answer of ${size} MB`,
    { group: "answer", n: 10, baseline: size === 1 },
    async () => {
      if (await send(body) < size * 1_000_000) throw new Error("the answer is too short");
    },
  );
}

Deno.bench("heap after ten more answers of 10 MB", { group: "heap", n: 1 }, async () => {
  const body = JSON.stringify({ model: "mb-10", input: "hi", stream: true });
  const heaps: string[] = [];
  for (let n = 0; n < 10; n++) {
    await send(body);
    heaps.push((Deno.memoryUsage().heapUsed / 2 ** 20).toFixed(0));
  }
  // deno-lint-ignore no-console
  console.log(`heap in MiB after each: ${heaps.join(" ")}`);
});
