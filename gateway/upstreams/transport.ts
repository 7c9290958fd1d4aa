/**
 * The port to the network: one HTTP request to an upstream. Adapters: `undici_transport.ts` (Deno), `fetch_transport.ts` (Workers),
 * `demo_transport.ts` (the built-in model, in process).
 *
 * @module
 */

import type { EndSignal } from "../lifetime.ts";

/** A body that is pulled. `read()` gives all bytes that have arrived, so what arrives together is handled together. */
export interface ByteSource {
  /** Resolves with bytes, or with `null` at the end. Rejects with {@linkcode TransportError}. One read at a time. */
  read(): Promise<Uint8Array | null>;
  /** Stops the request. Safe to call at any time, more than once. */
  cancel(): void;
  /** The only event that there is, instead of reading it and the `[DONE]` behind it; `null`: read. @default {read} */
  takeEvent?(): WholeAnswer | null;
}

/** An answer that is one JSON document: its text, and what that parses to. */
export interface WholeAnswer {
  readonly text: string;
  readonly json: unknown;
}

/** What goes out. */
export interface TransportRequest {
  readonly url: URL;
  readonly method: "POST" | "GET";
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  readonly signal: EndSignal;
  /** Milliseconds until a connection with TLS must stand. */
  readonly connectTimeoutMs: number;
}

/** What came back: the head, with the body unread. */
export interface TransportReply {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: ByteSource;
}

/** How far a failed request got: decides whether it may have been billed. */
export type TransportPhase = "connect" | "sent" | "body";

/** Why a request failed on the network. */
export class TransportError extends Error {
  override readonly name = "TransportError";
  /** `connect`: nothing was sent. `sent`: the request may have reached the upstream. `body`: the answer had begun. */
  readonly phase: TransportPhase;
  readonly kind: "dns" | "connect" | "tls" | "timeout" | "reset" | "protocol" | "aborted";

  constructor(
    message: string,
    options: { phase: TransportPhase; kind: TransportError["kind"]; cause?: unknown },
  ) {
    super(message, { cause: options.cause });
    this.phase = options.phase;
    this.kind = options.kind;
  }
}

/** The port. */
export interface UpstreamTransport {
  /** Resolves with the head of the answer. Never follows a redirect. Rejects with {@linkcode TransportError}. */
  send(request: TransportRequest): Promise<TransportReply>;
  /** Gives back idle connections. */
  close(): Promise<void>;
}

/** The failure of a request that its caller gave up. */
export function abortedError(phase: TransportPhase, cause?: unknown): TransportError {
  return new TransportError("the request was given up", { phase, kind: "aborted", cause });
}
