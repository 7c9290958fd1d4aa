/** `GET .../responses` with `Upgrade: websocket`: a connection that carries one response after the other. @module */
import { SynthError } from "@synth/core";
import { isForeignPage } from "../../http/cors.ts";
import type { RequestContext } from "../../http/request_context.ts";
import type { UpgradedRequest } from "../../options.ts";
import type { Services } from "../../services.ts";
import { SocketConnection } from "./socket_connection.ts";

const SOCKET_KEY = /^[A-Za-z0-9+/]{22}==$/;

/**
 * Opens a WebSocket. Each of its `response.create` frames is answered as a `POST` of the same body would be, by the same code.
 *
 * @throws {SynthError} 405 without `Upgrade: websocket`, 426 `upgrade_required` where there are no WebSockets (upon which Codex goes on over
 * HTTP at once), 403 `origin_not_allowed`, 400 `invalid_upgrade`, 429 `too_many_websockets`, 503 `shutting_down`
 */
export function responsesSocket(context: RequestContext, services: Services): Response {
  const { info, principal, request } = context;
  const { cors_origins, websockets_per_key: most } = context.snapshot.config.gateway;
  if ((request.headers.get("upgrade") ?? "").toLowerCase() !== "websocket") {
    throw new SynthError("GET is not allowed here", {
      code: "method_not_allowed",
      status: 405,
      headers: { allow: "POST" },
    });
  }
  if (info.upgrade === undefined || most === 0) throw notServed(most === 0);
  if (isForeignPage(request, cors_origins)) {
    throw new SynthError("Pages of this origin may not open a WebSocket here", {
      code: "origin_not_allowed",
      status: 403,
      hint: "The operator can list the origin in [gateway] cors_origins",
    });
  }
  services.sockets.admit(principal.keyId, most);
  const upgraded = upgrade(request, info.upgrade);
  services.sockets.add(
    principal.keyId,
    new SocketConnection(
      upgraded.socket,
      context,
      services,
      (connection) => services.sockets.remove(principal.keyId, connection),
    ),
  );
  return upgraded.response;
}

function upgrade(
  request: Request,
  runtime: (request: Request) => UpgradedRequest,
): UpgradedRequest {
  const { headers } = request;
  // Not every runtime looks at all of them.
  const valid = headers.get("sec-websocket-version") === "13" &&
    SOCKET_KEY.test(headers.get("sec-websocket-key") ?? "");
  if (!valid) throw invalidUpgrade();
  try {
    return runtime(request);
  } catch (error) {
    throw invalidUpgrade(error);
  }
}

function invalidUpgrade(cause?: unknown): SynthError {
  return new SynthError("This is not a valid WebSocket handshake", {
    code: "invalid_upgrade",
    status: 400,
    hint: "Send Connection: Upgrade, Sec-WebSocket-Key and Sec-WebSocket-Version: 13",
    headers: { "sec-websocket-version": "13" },
    ...(cause === undefined ? {} : { cause }),
  });
}

function notServed(off: boolean): SynthError {
  return new SynthError("WebSockets are not served here", {
    code: "upgrade_required",
    status: 426,
    type: "invalid_request_error",
    hint: off
      ? "Use POST over HTTP; the operator can raise [gateway] websockets_per_key"
      : "Use POST over HTTP",
    headers: { upgrade: "HTTP/1.1", connection: "upgrade" },
  });
}
