/** A turn as the body of a streamed answer. @module */
import type { Clock } from "@synth/core";
import type { Translation } from "./translation.ts";
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
 * what there is. A silent stream carries keepalives. When the client goes, the upstream is stopped.
 */
export function turnStream(
  turn: Turn,
  translation: Translation,
  clock: Clock,
  keepaliveMs: number,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  translation.start();
  let keepalive: Watch;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      keepalive = new Watch(clock, keepaliveMs, () => {
        // Not while the client leaves something lying, and not between an answer and its last event.
        if ((controller.desiredSize ?? -1) < 0 || translation.hasPending || turn.ending) return;
        translation.keepalive();
        const bytes = translation.flush();
        if (bytes !== null) controller.enqueue(bytes);
      });
    },
    async pull(controller) {
      while (true) {
        const bytes = turn.ending ? null : translation.flush();
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
