/** A frame as a request of its own. @module */
import { type Json, parseJsonLimited, type SynthError } from "@synth/core";
import { parseResponsesRequest } from "@synth/core/api";
import type { Route, Services } from "../../services.ts";
import type { RequestContext } from "../../http/request_context.ts";
import { respond } from "../create_response.ts";
import { inputItems } from "../stored_input.ts";
import { badFrame } from "./bad_frame.ts";
import {
  loadedBefore,
  type LocalResponse,
  refuseUnknownCalls,
  remembered,
} from "./local_response.ts";

/** A frame that waits for its turn. */
export interface Frame {
  readonly bytes: number;
  readonly text?: string;
  /** Why it will not be read. */
  readonly refused?: SynthError;
}

/** What a connection knows before a turn, and what the turn adds to it. */
export interface Memory {
  readonly local: LocalResponse | null;
  /** The `previous_response_id` that the frame named. */
  named: string | null;
  /** The response that was made, where nobody stores it. */
  made: LocalResponse | null;
}

/** Headers of the handshake; what is left is the client's word for all requests of the connection. */
const HANDSHAKE = /^(?:connection|upgrade|sec-websocket-.*|content-.*|transfer-encoding)$/;

/** The request that a frame stands for: that of the handshake, but a `POST`. */
export function turnRequest(handshake: Request): Request {
  const headers = new Headers();
  for (const [name, value] of handshake.headers) {
    if (!HANDSHAKE.test(name)) headers.append(name, value);
  }
  return new Request(handshake.url, { method: "POST", headers });
}

/** Bytes that a receipt has at most: it names a response, and no more. */
const MAX_RECEIPT = 1024;

/**
 * Whether Codex tells that it has worked off a response. There is nothing to do and nothing to say; above all it is no request, which a rate
 * limit would count and refuse.
 */
export function isReceipt({ bytes, text }: Frame): boolean {
  if (text === undefined || bytes > MAX_RECEIPT || !text.includes('"response.processed"')) {
    return false;
  }
  try {
    return eventOf(parseJsonLimited(text))["type"] === "response.processed";
  } catch {
    return false;
  }
}

/** What answers the frame. The key is looked at anew: one that was revoked works no longer. */
export function frameRoute(frame: Frame, connection: string, memory: Memory): Route {
  return {
    method: "POST",
    paths: ["/v1/responses"],
    scope: "infer",
    handler: (context, services) => answerFrame(context, services, frame, connection, memory),
  };
}

async function answerFrame(
  context: RequestContext,
  services: Services,
  { bytes, text = "", refused }: Frame,
  connection: string,
  memory: Memory,
): Promise<Response> {
  Object.assign(context.fields, { transport: "websocket", connection, request_bytes: bytes });
  if (refused !== undefined) throw refused;
  const { max_json_depth: maxDepth, max_body_bytes } = context.snapshot.config.gateway;
  const event = eventOf(parseJsonLimited(text, { maxDepth }));
  const { generate, ...fields } = createFields(event);
  const asked = parseResponsesRequest({ ...fields, stream: true });
  const previous = asked.previous_response_id ?? null;
  memory.named = previous;
  const local = previous !== null && previous === memory.local?.id ? memory.local : null;
  if (local !== null) refuseUnknownCalls(asked, local);
  return await respond(context, services, asked, {
    ...(local === null ? {} : { local }),
    generate: generate !== false,
    onUnstored(response, history) {
      const before = local ?? loadedBefore(history);
      const input = { items: inputItems(asked), size: bytes };
      memory.made = remembered(response, before, input, max_body_bytes);
    },
  });
}

function eventOf(value: Json): { [key: string]: Json } {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw badFrame("The frame is not a JSON object", 'Send {"type":"response.create", ...}');
}

/** What of a `response.create` is a request, and whether anything is to be generated. */
function createFields(event: { [key: string]: Json }): { [key: string]: Json } {
  // How an answer travels is settled: it is streamed.
  const { type, stream: _, ...fields } = event;
  if (type !== "response.create") {
    const shown = typeof type === "string" ? `'${type.slice(0, 64)}'` : "that are no text";
    throw badFrame(
      `Events of the type ${shown} are not known here`,
      "Send response.create; previous_response_id goes on from a response",
      "type",
    );
  }
  if (fields["background"] === true) {
    throw badFrame("There is no background on a WebSocket", "Leave it away", "background");
  }
  if (fields["generate"] !== undefined && typeof fields["generate"] !== "boolean") {
    throw badFrame("'generate' must be a boolean", "Leave it away, or send false", "generate");
  }
  delete fields["background"];
  return fields;
}
