import { SynthError } from "@synth/core";
import type { RequestContext } from "../http/request_context.ts";

/**
 * `GET .../responses`: a WebSocket upgrade is declined with 426, upon which Codex goes on over HTTP at once; any other GET is not
 * allowed.
 */
export function responsesSocket(context: RequestContext): Response {
  const upgrade = context.request.headers.get("upgrade") ?? "";
  if (upgrade.toLowerCase() !== "websocket") {
    throw new SynthError("GET is not allowed here", {
      code: "method_not_allowed",
      status: 405,
      headers: { allow: "POST" },
    });
  }
  throw new SynthError("WebSockets are not served here", {
    code: "upgrade_required",
    status: 426,
    type: "invalid_request_error",
    hint: "Use POST over HTTP",
    headers: { upgrade: "HTTP/1.1", connection: "upgrade" },
  });
}
