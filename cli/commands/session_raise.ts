/** What `synth session raise` does. @module */
import { EXIT, newId, SynthError } from "@synth/core";
import type { WireMetric } from "@synth/core/api";
import { type ClientFlags, connect } from "../client/connect.ts";
import { findSessionId } from "../client/session_id.ts";
import type { CliContext } from "../context.ts";
import { printJson } from "../output/print.ts";
import { limitsText } from "../output/session_view.ts";

/** Flags of the command. */
export interface RaiseFlags extends ClientFlags {
  readonly costUsd?: string;
  readonly tokens?: string;
  readonly gpuHours?: string;
  readonly apiCalls?: string;
  readonly limitId?: string;
}

/** Raises one limit. */
export async function runSessionRaise(
  this: CliContext,
  flags: RaiseFlags,
  given?: string,
): Promise<void> {
  const { metric, by } = wanted(flags);
  const { client } = await connect(this, flags);
  const id = await findSessionId(this, client, given);
  const limit = await client.sessions.increaseLimit(id, {
    metric_type: metric,
    increase_by: by,
    ...(flags.limitId === undefined ? {} : { limit_id: flags.limitId }),
  }, { idempotencyKey: newId("raise_") });
  if (flags.json) return printJson(this, limit);
  this.process.stdout.write(limitsText([limit], this.process.stdout));
}

function wanted(flags: RaiseFlags): { metric: WireMetric; by: string } {
  const asked: [WireMetric, string | undefined][] = [
    ["cost_usd", flags.costUsd],
    ["tokens", flags.tokens],
    ["gpu_hours", flags.gpuHours],
    ["api_calls", flags.apiCalls],
  ];
  const given = asked.filter(([, by]) => by !== undefined);
  const [first] = given;
  if (first !== undefined && first[1] !== undefined && given.length === 1) {
    if (Number(first[1]) === 0) {
      throw new SynthError("A raise is above 0", { code: "usage", exitCode: EXIT.usage });
    }
    return { metric: first[0], by: first[1] };
  }
  throw new SynthError("Raise one limit at a time", {
    code: "usage",
    exitCode: EXIT.usage,
    hint: "Give one of --cost-usd, --tokens, --gpu-hours, --api-calls",
  });
}
