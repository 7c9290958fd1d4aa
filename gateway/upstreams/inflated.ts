/** For upstreams that compress although they are asked not to. @module */
import { openByteReader } from "@synth/core/sse";
import { type ByteSource, TransportError, type TransportReply } from "./transport.ts";

/** The reply with its body as it was before compression. An unknown coding gives a body that fails when it is read. */
export function inflated(reply: TransportReply): TransportReply {
  const coding = (reply.headers.get("content-encoding") ?? "identity").trim().toLowerCase();
  if (coding === "identity" || coding === "") return reply;
  if (coding !== "gzip" && coding !== "deflate") {
    reply.body.cancel();
    return { ...reply, body: failing() };
  }
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const bytes = await reply.body.read();
      if (bytes === null) controller.close();
      else controller.enqueue(new Uint8Array(bytes));
    },
    cancel: () => reply.body.cancel(),
  });
  const reader = openByteReader(stream.pipeThrough(new DecompressionStream(coding)));
  return {
    ...reply,
    body: {
      read: () => reader.read().catch((cause) => Promise.reject(broken(cause))),
      cancel: () => {
        reply.body.cancel();
        void reader.cancel();
      },
    },
  };
}

function failing(): ByteSource {
  return { read: () => Promise.reject(broken(undefined)), cancel: () => {} };
}

function broken(cause: unknown): TransportError {
  if (cause instanceof TransportError) return cause;
  return new TransportError("the upstream's compressed answer cannot be read", {
    phase: "body",
    kind: "protocol",
    cause,
  });
}
