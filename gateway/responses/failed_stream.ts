/** A stream that says only that it failed. @module */
import { type Clock, newId } from "@synth/core";
import { EventWriter } from "../bridge/event_writer.ts";
import type { TurnPlan } from "../bridge/plan.ts";
import type { ResponseError } from "../bridge/response_object.ts";
import { ResponseMachine } from "../bridge/stream/machine.ts";

/** The bytes of `response.created`, `response.in_progress` and `response.failed`. */
export function failedStream(
  plan: TurnPlan,
  error: ResponseError,
  clock: Clock,
): Uint8Array<ArrayBuffer> {
  const writer = new EventWriter();
  const now = Math.floor(clock.now() / 1000);
  const machine = new ResponseMachine(plan, {
    responseId: newId("resp_"),
    createdAt: now,
    newId: (prefix) => newId(`${prefix}_`),
    seal: () => "",
    sink: writer,
  });
  machine.finish({ reason: "error", error, now });
  return writer.flush() ?? new Uint8Array(0);
}
