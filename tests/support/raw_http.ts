/**
 * An HTTP/1.1 server on a bare socket, so that a test can answer in ways that no well-behaved server allows: cut, reset, stall, lie about the length.
 *
 * @module
 */
import net from "node:net";

/** A request as it came in. */
export interface RawRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
  /** Settles when the client has closed the connection, or the answer is complete. */
  readonly closed: Promise<void>;
}

/** One step of an answer's body. */
export type Step =
  | string
  | Uint8Array
  /** Goes on when the promise settles: a gate that the test opens. */
  | { wait: Promise<unknown> }
  /** Ends the connection without the end of the body. */
  | { fault: "cut" }
  /** Ends the connection with a TCP reset. */
  | { fault: "reset" }
  /** Says nothing more until the client goes or the server stops. */
  | { fault: "stall" };

/** An answer. */
export interface RawReply {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly steps: Step[];
  /** How the end of the body is told. @default {"chunked"} */
  readonly framing?: "chunked" | "close" | { length: number };
  /** Write each byte by itself. */
  readonly bytewise?: boolean;
  /** Close before the status line: the request is read and never answered. */
  readonly before?: "cut" | "reset" | "stall";
}

/** A running server. */
export interface RawServer extends AsyncDisposable {
  readonly port: number;
}

const encoder = new TextEncoder();

/** Starts a server on 127.0.0.1 with a free port. */
export async function serveRaw(
  answer: (request: RawRequest) => RawReply | Promise<RawReply>,
): Promise<RawServer> {
  const sockets = new Set<net.Socket>();
  const handlers = new Set<Promise<void>>();
  const server = net.createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    const closed = new Promise<void>((resolve) => {
      socket.on("close", () => {
        sockets.delete(socket);
        resolve();
      });
    });
    const handler = handle(socket, closed, answer).catch(() => void socket.destroy());
    handlers.add(handler);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    async [Symbol.asyncDispose](): Promise<void> {
      const stopped = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await Promise.all(handlers);
      await stopped;
    },
  };
}

async function handle(
  socket: net.Socket,
  closed: Promise<void>,
  answer: (request: RawRequest) => RawReply | Promise<RawReply>,
): Promise<void> {
  const request = await readRequest(socket, closed);
  if (request === null) return void socket.destroy();
  socket.resume(); // keeps reading, so that the client's going is noticed
  socket.on("end", () => socket.destroy());
  const reply = await answer(request);
  if (reply.before !== undefined) return await fault(socket, reply.before, closed);
  await write(socket, closed, reply);
}

async function readRequest(
  socket: net.Socket,
  closed: Promise<void>,
): Promise<RawRequest | null> {
  let buffer = new Uint8Array();
  const more = reader(socket);
  const grow = async (): Promise<boolean> => {
    const chunk = await more();
    if (chunk === null) return false;
    const next = new Uint8Array(buffer.length + chunk.length);
    next.set(buffer);
    next.set(chunk, buffer.length);
    buffer = next;
    return true;
  };
  let split: number;
  while ((split = indexOf(buffer, "\r\n\r\n")) < 0) if (!await grow()) return null;
  const [first = "", ...lines] = new TextDecoder().decode(buffer.subarray(0, split)).split("\r\n");
  const [method = "", path = ""] = first.split(" ");
  const headers = new Headers(lines.map((line): [string, string] => {
    const at = line.indexOf(":");
    return [line.slice(0, at), line.slice(at + 1).trim()];
  }));
  buffer = buffer.slice(split + 4);
  const parts: Uint8Array[] = [];
  if (headers.get("transfer-encoding") === "chunked") {
    for (;;) {
      let end: number;
      while ((end = indexOf(buffer, "\r\n")) < 0) if (!await grow()) return null;
      const size = parseInt(new TextDecoder().decode(buffer.subarray(0, end)), 16);
      while (buffer.length < end + 2 + size + 2) if (!await grow()) return null;
      parts.push(buffer.slice(end + 2, end + 2 + size));
      buffer = buffer.slice(end + 2 + size + 2);
      if (size === 0) break;
    }
  } else {
    const length = Number(headers.get("content-length") ?? 0);
    while (buffer.length < length) if (!await grow()) return null;
    parts.push(buffer.slice(0, length));
  }
  const body = await new Blob(parts.map((part) => part.slice())).text();
  return { method, path, headers, body, closed };
}

/** Pulls chunks off a socket, one at a time; null at its end. */
function reader(socket: net.Socket): () => Promise<Uint8Array | null> {
  const queue: (Uint8Array | null)[] = [];
  let waiting: ((chunk: Uint8Array | null) => void) | null = null;
  const push = (chunk: Uint8Array | null) => {
    if (waiting === null) return void queue.push(chunk);
    waiting(chunk);
    waiting = null;
  };
  socket.on("data", (chunk: Uint8Array) => push(new Uint8Array(chunk)));
  socket.on("end", () => push(null));
  socket.on("close", () => push(null));
  return () => {
    const next = queue.shift();
    if (next !== undefined) return Promise.resolve(next);
    return new Promise((resolve) => waiting = resolve);
  };
}

async function write(socket: net.Socket, closed: Promise<void>, reply: RawReply): Promise<void> {
  const framing = reply.framing ?? "chunked";
  const head = [`HTTP/1.1 ${reply.status} Scripted`, "connection: close"];
  for (const [name, value] of Object.entries(reply.headers)) head.push(`${name}: ${value}`);
  if (framing === "chunked") head.push("transfer-encoding: chunked");
  if (typeof framing === "object") head.push(`content-length: ${framing.length}`);
  await send(socket, encoder.encode(head.join("\r\n") + "\r\n\r\n"), closed);
  for (const step of reply.steps) {
    if (socket.destroyed) return;
    if (typeof step === "object" && "wait" in step) {
      await Promise.race([step.wait, closed]);
      continue;
    }
    if (typeof step === "object" && "fault" in step) return await fault(socket, step.fault, closed);
    const bytes = typeof step === "string" ? encoder.encode(step) : step;
    for (const piece of reply.bytewise ? split(bytes) : [bytes]) {
      await send(socket, framing === "chunked" ? chunk(piece) : piece, closed);
    }
  }
  if (framing === "chunked") await send(socket, encoder.encode("0\r\n\r\n"), closed);
  socket.end();
  await closed;
}

async function fault(
  socket: net.Socket,
  kind: "cut" | "reset" | "stall",
  closed: Promise<void>,
): Promise<void> {
  if (kind === "stall") return await closed;
  if (kind === "reset") socket.resetAndDestroy();
  else socket.destroy();
}

async function send(socket: net.Socket, bytes: Uint8Array, closed: Promise<void>): Promise<void> {
  if (socket.destroyed || bytes.length === 0) return;
  await Promise.race([
    new Promise<void>((resolve) => socket.write(bytes, () => resolve())),
    closed,
  ]);
}

function split(bytes: Uint8Array): Uint8Array[] {
  return Array.from(bytes, (_, n) => bytes.subarray(n, n + 1));
}

function chunk(bytes: Uint8Array): Uint8Array {
  const head = encoder.encode(bytes.length.toString(16) + "\r\n");
  const out = new Uint8Array(head.length + bytes.length + 2);
  out.set(head);
  out.set(bytes, head.length);
  out.set([13, 10], head.length + bytes.length);
  return out;
}

function indexOf(bytes: Uint8Array, mark: string): number {
  const wanted = encoder.encode(mark);
  for (let n = 0; n + wanted.length <= bytes.length; n++) {
    if (wanted.every((byte, k) => bytes[n + k] === byte)) return n;
  }
  return -1;
}
