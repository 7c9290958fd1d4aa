/** WebSockets of workerd. @module */
import type { UpgradedRequest } from "../options.ts";

/** workerd's ends of a connection, of which it serves the second when it is accepted. */
type AcceptedSocket = WebSocket & { accept(): void };

declare const WebSocketPair: new () => { readonly 0: WebSocket; readonly 1: AcceptedSocket };

/** Makes a WebSocket of a request. Throws a `TypeError` when the handshake is not one. */
export function upgradeInWorker(_request: Request): UpgradedRequest {
  const pair = new WebSocketPair();
  const socket = pair[1];
  socket.accept();
  const init: ResponseInit & { webSocket: WebSocket } = { status: 101, webSocket: pair[0] };
  return { socket, response: new Response(null, init) };
}
