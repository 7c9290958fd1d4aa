/** A turn as the body of a streamed answer. @module */
import type { Clock } from "@synth/core";
import type { EventWriter } from "../bridge/event_writer.ts";
import type { Turn } from "./turn.ts";
import { Watch } from "./watch.ts";

/** Headers of every stream of events. */
export const STREAM_HEADERS: Readonly<Record<string, string>> = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache",
  "x-accel-buffering": "no",
};

/**
 * Events as they come: what one read of the upstream brought leaves as one chunk. The upstream is read only when the client takes
 * what there is. A silent stream carries keepalive events. When the client goes, the upstream is stopped.
 */
export function responseStream(
  turn: Turn,
  writer: EventWriter,
  clock: Clock,
  keepaliveMs: number,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  turn.machine.start();
  let keepalive: Watch;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      keepalive = new Watch(clock, keepaliveMs, () => {
        if ((controller.desiredSize ?? -1) < 0 || writer.hasPending) return;
        turn.machine.keepalive();
        const bytes = writer.flush();
        if (bytes !== null) controller.enqueue(bytes);
      });
    },
    async pull(controller) {
      while (true) {
        // A terminal event waits in the writer until the turn is settled.
        const bytes = turn.machine.done && !turn.over ? null : writer.flush();
        if (bytes !== null) {
          keepalive.touch();
          controller.enqueue(bytes);
        }
        if (turn.over) {
          keepalive.stop();
          controller.close();
          return;
        }
        if (bytes !== null) return;
        await turn.step();
      }
    },
    cancel() {
      keepalive.stop();
      turn.abandon();
    },
  }, { highWaterMark: 0 });
}
