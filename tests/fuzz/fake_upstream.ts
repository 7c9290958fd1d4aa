/** A transport without a network: the answer of the upstream is what the input says. @module */
import type {
  ByteSource,
  TransportReply,
  UpstreamTransport,
} from "../../gateway/upstreams/transport.ts";

/** An answer, in pieces. */
export interface FakeAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly pieces: readonly Uint8Array[];
}

/** The transport, and what it answers next. */
export interface FakeUpstream extends UpstreamTransport {
  answer: FakeAnswer;
}

/** Makes one. */
export function fakeUpstream(): FakeUpstream {
  const upstream: FakeUpstream = {
    answer: { status: 500, contentType: "text/plain", pieces: [] },
    send: (): Promise<TransportReply> => {
      const { status, contentType, pieces } = upstream.answer;
      const headers = new Map([["content-type", contentType]]);
      return Promise.resolve({ status, headers, body: sourceOf(pieces) });
    },
    close: () => Promise.resolve(),
  };
  return upstream;
}

function sourceOf(pieces: readonly Uint8Array[]): ByteSource {
  const left = [...pieces];
  return {
    read: () => Promise.resolve(left.shift() ?? null),
    cancel: () => void left.splice(0),
  };
}

/** Bytes in pieces that end at these places. */
export function cutBytes(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = cuts.map((cut) => cut % (bytes.length + 1));
  const ends = [...new Set([...places, bytes.length])].sort((a, b) => a - b);
  let start = 0;
  return ends.map((end) => bytes.slice(start, start = end)).filter((piece) => piece.length > 0);
}
