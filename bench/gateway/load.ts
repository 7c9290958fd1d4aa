/** A client that costs little: keep-alive connections over bare TCP, one request at a time on each. @module */

/** Where and what to ask, ready to be sent. */
export interface Target {
  readonly hostname: string;
  readonly port: number;
  readonly request: Uint8Array;
}

/** Latencies in milliseconds, sorted, and how long all of it took. */
export interface LoadResult {
  readonly latencies: readonly number[];
  readonly seconds: number;
}

const encoder = new TextEncoder();
const latin1 = new TextDecoder("latin1");

/** A POST as bytes. */
export function post(
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Uint8Array {
  const text = JSON.stringify(body);
  const lines = [
    `POST ${path} HTTP/1.1`,
    "host: 127.0.0.1",
    "content-type: application/json",
    `content-length: ${encoder.encode(text).length}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  return encoder.encode(`${lines.join("\r\n")}\r\n\r\n${text}`);
}

/** Sends `total` requests over `connections`. @throws when an answer is not 200 or is cut off */
export async function load(
  target: Target,
  connections: number,
  total: number,
): Promise<LoadResult> {
  const latencies: number[] = [];
  let left = total;
  const start = performance.now();
  await Promise.all(Array.from({ length: Math.min(connections, total) }, async () => {
    const { hostname, port, request } = target;
    using conn = await Deno.connect({ hostname, port });
    conn.setNoDelay();
    const buffer = new Uint8Array(262_144);
    while (left-- > 0) {
      const before = performance.now();
      await send(conn, request);
      await answer(conn, buffer);
      latencies.push(performance.now() - before);
    }
  }));
  const seconds = (performance.now() - start) / 1000;
  return { latencies: latencies.sort((a, b) => a - b), seconds };
}

/** Opens a stream that is not read beyond its first bytes. Disposing closes it. */
export async function openStream(target: Target): Promise<Disposable> {
  const conn = await Deno.connect({ hostname: target.hostname, port: target.port });
  await send(conn, target.request);
  const buffer = new Uint8Array(4096);
  const n = await conn.read(buffer);
  checkStatus(latin1.decode(buffer.subarray(0, n ?? 0)));
  return { [Symbol.dispose]: () => conn.close() };
}

async function send(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

/** Reads one answer to its end. */
async function answer(conn: Deno.Conn, buffer: Uint8Array): Promise<void> {
  const tail = new Uint8Array(5);
  let head = "";
  let total = 0;
  let end: number | "chunked" | null = null;
  while (true) {
    const n = await conn.read(buffer);
    if (n === null) throw new Error("the connection ended within an answer");
    const fresh = buffer.subarray(0, n);
    total += n;
    remember(tail, fresh);
    if (end === null) {
      head += latin1.decode(fresh);
      end = endOf(head);
    }
    if (end === "chunked" ? isLastChunk(tail) : end !== null && total >= end) return;
  }
}

function remember(tail: Uint8Array, fresh: Uint8Array): void {
  if (fresh.length >= tail.length) tail.set(fresh.subarray(fresh.length - tail.length));
  else {
    tail.copyWithin(0, fresh.length);
    tail.set(fresh, tail.length - fresh.length);
  }
}

function isLastChunk(tail: Uint8Array): boolean {
  return tail[0] === 48 && tail[1] === 13 && tail[2] === 10 && tail[3] === 13 && tail[4] === 10;
}

/** Where the answer ends, once its header is there. */
function endOf(text: string): number | "chunked" | null {
  const head = text.indexOf("\r\n\r\n");
  if (head === -1) return null;
  checkStatus(text);
  const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, head + 2))?.[1];
  return length === undefined ? "chunked" : head + 4 + Number(length);
}

function checkStatus(text: string): void {
  if (!text.startsWith("HTTP/1.1 200")) throw new Error(`not a 200: ${text.slice(0, 2000)}`);
}
