/**
 * Stands between a client that speaks over WebSockets and the gateway, passes everything on, and keeps the frames of both.
 *
 * @module
 */
import { checkEvents } from "./response_invariants.ts";
import type { Rec } from "./response_shape.ts";

/** What was said on one connection. */
export interface TappedSocket {
  readonly headers: Headers;
  readonly sent: Rec[];
  readonly received: Rec[];
}

/** A running tap. */
export interface SocketTap extends AsyncDisposable {
  readonly origin: string;
  readonly sockets: TappedSocket[];
  /** Status codes of all that did not become a socket, with the method. */
  readonly answers: string[];
  /** What is wrong with the streams that the client got. */
  problems(): string[];
}

/** Events of one connection, cut after each that ends a response. */
export function turnsOf(events: readonly Rec[]): Rec[][] {
  const turns: Rec[][] = [[]];
  for (const event of events) {
    turns.at(-1)?.push(event);
    if (/^(?:error|response\.(?:completed|incomplete|failed))$/.test(String(event.type))) {
      turns.push([]);
    }
  }
  return turns.filter((turn) => turn.length > 0);
}

/** Starts a tap in front of `origin`. */
export function startSocketTap(origin: string): SocketTap {
  const sockets: TappedSocket[] = [];
  const answers: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    const headers = new Headers(request.headers);
    const wantsSocket = headers.get("upgrade") === "websocket";
    for (const name of [...headers.keys()]) {
      if (/^(?:host|connection|content-length|accept-encoding)$/.test(name)) headers.delete(name);
      if (wantsSocket && /^(?:upgrade|sec-websocket-.*)$/.test(name)) headers.delete(name);
    }
    if (!wantsSocket) {
      const body = await request.bytes();
      const answer = await fetch(origin + pathname + search, {
        method: request.method,
        headers,
        body: body.length === 0 ? null : body,
        signal: request.signal,
      });
      answers.push(`${request.method} ${answer.status}`);
      return new Response(answer.body, { status: answer.status, headers: answer.headers });
    }
    const far = new WebSocket(origin.replace("http", "ws") + pathname + search, {
      headers: Object.fromEntries(headers),
    });
    const opened = await new Promise<boolean>((resolve) => {
      far.addEventListener("open", () => resolve(true));
      far.addEventListener("error", () => resolve(false));
    });
    if (!opened) {
      // Deno does not tell why; a raw request does.
      const status = await refusedStatus(origin, pathname, headers);
      answers.push(`GET ${status}`);
      return new Response("refused", { status });
    }
    const { socket: near, response } = Deno.upgradeWebSocket(request);
    const tapped: TappedSocket = { headers: request.headers, sent: [], received: [] };
    sockets.push(tapped);
    near.addEventListener("message", ({ data }) => {
      tapped.sent.push(JSON.parse(data));
      far.send(data);
    });
    far.addEventListener("message", ({ data }) => {
      tapped.received.push(JSON.parse(data));
      if (near.readyState === WebSocket.OPEN) near.send(data);
    });
    near.addEventListener("close", () => far.close());
    near.addEventListener("error", () => far.close());
    far.addEventListener("close", ({ code }) => {
      if (near.readyState === WebSocket.OPEN) near.close(code === 1005 ? 1000 : code);
    });
    return response;
  });
  return {
    origin: `http://127.0.0.1:${server.addr.port}`,
    sockets,
    answers,
    problems: () =>
      sockets.flatMap(({ received }) => turnsOf(received)).flatMap((turn) =>
        turn[0]?.type === "error" ? [] : checkEvents(turn)
      ),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

async function refusedStatus(origin: string, path: string, headers: Headers): Promise<number> {
  const { hostname, port, host } = new URL(origin);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  const lines = [...headers].map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const head = `GET ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: Upgrade\r\n` +
    "upgrade: websocket\r\nsec-websocket-version: 13\r\n" +
    `sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${lines}\r\n`;
  await connection.write(new TextEncoder().encode(head));
  const answer = new Uint8Array(64);
  await connection.read(answer);
  return Number(/^HTTP\/1\.1 (\d+)/.exec(new TextDecoder().decode(answer))?.[1]);
}
