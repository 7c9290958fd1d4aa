/**
 * The transport where there is only `fetch` (Workers): the body is read with a BYOB reader, which costs far less a chunk than the
 * default one.
 *
 * @module
 */
import { openByteReader } from "@synth/core/sse";
import { abortSignalOf, type EndSignal } from "../lifetime.ts";
import {
  abortedError,
  type ByteSource,
  TransportError,
  type TransportReply,
  type TransportRequest,
  type UpstreamTransport,
} from "./transport.ts";

/** Wraps `fetch`. The phase of a failure is not known here: unless its code says otherwise the request counts as sent. */
export function fetchTransport(fetcher: typeof fetch = fetch): UpstreamTransport {
  return { send: (request) => send(fetcher, request), close: () => Promise.resolve() };
}

async function send(fetcher: typeof fetch, request: TransportRequest): Promise<TransportReply> {
  // Nothing was sent yet, so nothing is billed.
  if (request.signal.aborted) throw abortedError("connect", request.signal.reason);
  let response: Response;
  try {
    response = await fetcher(request.url, {
      method: request.method,
      headers: request.headers,
      body: request.body,
      signal: abortSignalOf(request.signal),
      redirect: "manual",
    });
  } catch (error) {
    if (request.signal.aborted) throw abortedError("sent", request.signal.reason);
    throw new TransportError("the upstream cannot be reached", {
      phase: refusedBeforeSending(error) ? "connect" : "sent",
      kind: "connect",
      cause: error,
    });
  }
  const headers = new Map(response.headers);
  // `fetch` has inflated the body already.
  headers.delete("content-encoding");
  return {
    status: response.status,
    headers,
    body: sourceOf(response.body, request.signal),
  };
}

function refusedBeforeSending(error: unknown): boolean {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : "";
  return code === "ECONNREFUSED" || code === "ENOTFOUND" || code === "EAI_AGAIN";
}

function sourceOf(body: ReadableStream<Uint8Array> | null, signal: EndSignal): ByteSource {
  if (body === null) return { read: () => Promise.resolve(null), cancel: () => {} };
  const reader = openByteReader(body);
  return {
    read: () => reader.read().catch((error) => fail(error, signal)),
    cancel: () => void reader.cancel(),
  };
}

function fail(error: unknown, signal: EndSignal): never {
  if (signal.aborted) throw abortedError("body", signal.reason);
  throw new TransportError("the upstream closed the connection", {
    phase: "body",
    kind: "reset",
    cause: error,
  });
}
