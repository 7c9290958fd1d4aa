/**
 * A Chat upstream of fixed bytes, over bare TCP so that it costs the other core little. The first segment of the path picks the answer.
 *
 *     deno run --allow-net bench/gateway/mock_upstream.ts
 *
 * Prints its port.
 *
 * @module
 */

/** Chunks of an answer, and the pause between two of them in milliseconds. */
interface Script {
  readonly chunks: number;
  readonly gapMs: number;
  /** Whether the answer never ends. */
  readonly endless?: boolean;
}

const SCRIPTS: ReadonlyMap<string, Script> = new Map([
  ["sse-short", { chunks: 40, gapMs: 0 }],
  ["sse-burst", { chunks: 200, gapMs: 0 }],
  ["sse-paced", { chunks: 100, gapMs: 5 }],
  ["sse-idle", { chunks: 1, gapMs: 0, endless: true }],
]);
const USAGE = { prompt_tokens: 90, completion_tokens: 60, total_tokens: 150 };
const HEAD = { id: "chatcmpl-0123456789", created: 1_750_000_000, model: "bench" };
const encoder = new TextEncoder();

const documents: ReadonlyMap<string, Uint8Array> = new Map([
  ["json-400", document(60)],
  ["json-10k", document(9_700)],
]);
const streamHead = encoder.encode(
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
);
const lastFrames = frame(
  `data: ${
    JSON.stringify({
      ...HEAD,
      object: "chat.completion.chunk",
      choices: [{ index: 0, delta: {}, finish_reason: "stop" }],
      usage: USAGE,
    })
  }\n\ndata: [DONE]\n\n`,
);

function document(length: number): Uint8Array {
  const message = { role: "assistant", content: "word ".repeat(length / 5) };
  const body = JSON.stringify({
    ...HEAD,
    object: "chat.completion",
    choices: [{ index: 0, message, finish_reason: "stop" }],
    usage: USAGE,
  });
  const head =
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`;
  return encoder.encode(`${head}\r\n\r\n${body}`);
}

function frame(text: string): Uint8Array {
  return encoder.encode(`${text.length.toString(16)}\r\n${text}\r\n`);
}

function chunk(n: number): Uint8Array {
  const delta = { content: ` word${n % 10}` };
  const choices = [{ index: 0, delta, logprobs: null, finish_reason: null }];
  const body = { ...HEAD, object: "chat.completion.chunk", choices };
  return frame(`data: ${JSON.stringify(body)}\n\n`);
}

const chunks = Array.from({ length: 200 }, (_, n) => chunk(n));

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

async function stream(conn: Deno.Conn, script: Script): Promise<void> {
  await writeAll(conn, streamHead);
  // Streams that began together must not all speak in the same millisecond.
  const start = performance.now() + Math.random() * script.gapMs;
  for (let n = 0; n < script.chunks; n++) {
    await writeAll(conn, chunks[n] ?? lastFrames);
    // By the clock and not by the gap: a late timer must not slow the stream down.
    const early = start + (n + 1) * script.gapMs - performance.now();
    if (script.gapMs > 0 && early > 0) await new Promise((resolve) => setTimeout(resolve, early));
  }
  if (script.endless === true) return;
  await writeAll(conn, lastFrames);
  await writeAll(conn, encoder.encode("0\r\n\r\n"));
}

/** The answer's name, once the whole request is there; else `null`. */
function wanted(text: string): string | null {
  const head = text.indexOf("\r\n\r\n");
  if (head === -1) return null;
  const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1];
  const complete = length === undefined
    ? text.endsWith("0\r\n\r\n")
    : text.length >= head + 4 + Number(length);
  return complete ? /^POST \/([a-z0-9-]+)\//.exec(text)?.[1] ?? "" : null;
}

async function serve(conn: Deno.TcpConn): Promise<void> {
  conn.setNoDelay();
  const decoder = new TextDecoder("latin1");
  const buffer = new Uint8Array(65_536);
  let text = "";
  for (let n = await conn.read(buffer); n !== null; n = await conn.read(buffer)) {
    text += decoder.decode(buffer.subarray(0, n));
    const name = wanted(text);
    if (name === null) continue;
    text = "";
    const script = SCRIPTS.get(name);
    if (script !== undefined) await stream(conn, script);
    else await writeAll(conn, documents.get(name) ?? encoder.encode("HTTP/1.1 404 \r\n\r\n"));
  }
}

if (import.meta.main) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await Deno.stdout.write(encoder.encode(`${(listener.addr as Deno.NetAddr).port}\n`));
  for await (const conn of listener) {
    // A client that goes away is no failure.
    serve(conn).catch(() => {}).finally(() => {
      try {
        conn.close();
      } catch {
        // It was closed by then.
      }
    });
  }
}
