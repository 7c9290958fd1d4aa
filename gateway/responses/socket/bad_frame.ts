/** What is wrong with a frame, or with a connection. @module */
import { SynthError } from "@synth/core";

/** 400. */
export function unexpectedBinary(): SynthError {
  return badFrame("A binary frame was sent", "Send one JSON object in one text frame");
}

/** 400 `invalid_event`. */
export function badFrame(message: string, hint: string, param?: string): SynthError {
  return new SynthError(message, {
    code: "invalid_event",
    status: 400,
    hint,
    ...(param === undefined ? {} : { param }),
  });
}

/** 413, as for a body. */
export function tooLarge(most: number): SynthError {
  return new SynthError(`The frame is larger than ${most} bytes`, {
    code: "body_too_large",
    status: 413,
    hint: "The operator can raise [gateway] max_body_bytes",
    details: { limit: most },
  });
}

/** 429 for a frame that came while others wait already. */
export function tooManyWaiting(): SynthError {
  return new SynthError("Too much waits on this connection for a response to end", {
    code: "too_many_waiting",
    status: 429,
    hint: "Send the next response.create when the last one is answered, or open another connection",
    headers: { "retry-after": "1" },
  });
}

/** The protocol's words for the end of a connection's life. */
export function connectionLimitReached(): SynthError {
  return new SynthError(
    "Responses websocket connection limit reached (60 minutes). Create a new websocket connection to continue.",
    { code: "websocket_connection_limit_reached", status: 400 },
  );
}
