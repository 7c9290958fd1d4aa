/** Model calls that run in this process. @module */
import type { RequestContext } from "../http/request_context.ts";

/** A call that has not ended. */
export interface RunningCall {
  readonly id: string;
  readonly model: string;
  readonly user: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly streaming: boolean;
}

/** An org's calls among the open requests, longest running first. */
export function runningCalls(
  open: Iterable<RequestContext>,
  org: string,
  now: number,
): RunningCall[] {
  const calls: RunningCall[] = [];
  for (const context of open) {
    const { model, stream } = context.fields;
    if (context.org !== org || typeof model !== "string") continue;
    calls.push({
      id: context.id,
      model,
      user: context.principal.user,
      since: now - (context.clock.monotonic() - context.startedAt),
      streaming: stream === true,
    });
  }
  return calls.sort((a, b) => a.since - b.since);
}
