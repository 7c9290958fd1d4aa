/** An upstream that answers well and remembers where it was asked, and with what. @module */
import type { TransportRequest, UpstreamTransport } from "../../gateway/upstreams/transport.ts";
import { completion, DONE, finish, frame, text, usage } from "../support/chat_replies.ts";

/** The transport, and what went through it. */
export interface SpyUpstream extends UpstreamTransport {
  readonly sent: TransportRequest[];
  /** What a stream says. */
  frames: string[];
}

/** Makes one. */
export function spyUpstream(): SpyUpstream {
  const spy: SpyUpstream = {
    sent: [],
    frames: [frame(text("hi")), frame(finish("stop")), frame(usage()), DONE],
    send(request) {
      spy.sent.push(request);
      const stream = JSON.parse(request.body ?? "{}").stream === true;
      const said = stream
        ? spy.frames.join("")
        : JSON.stringify(completion({ content: "hi" }, "stop"));
      const pieces = [new TextEncoder().encode(said)];
      return Promise.resolve({
        status: 200,
        headers: new Map([["content-type", stream ? "text/event-stream" : "application/json"]]),
        body: { read: () => Promise.resolve(pieces.shift() ?? null), cancel() {} },
      });
    },
    close: () => Promise.resolve(),
  };
  return spy;
}
