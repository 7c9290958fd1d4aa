/** What `synth keys create` does. @module */
import { systemClock } from "@synth/core";
import type { Scope } from "@synth/core/auth";
import { type ClientFlags, connect } from "../client/connect.ts";
import { type LimitFlags, limitsOf } from "../client/limit_flags.ts";
import type { CliContext } from "../context.ts";
import { KeyOutput } from "../output/key_output.ts";

/** Flags of the command. */
export interface KeyCreateFlags extends ClientFlags, LimitFlags {
  readonly name?: string;
  readonly user?: string;
  readonly scopes?: Scope[];
  /** Seconds. */
  readonly expires?: number;
  readonly output?: string;
  readonly requestsPerMinute?: number;
  readonly maxStreams?: number;
}

/** Makes a key. */
export async function runKeysCreate(this: CliContext, flags: KeyCreateFlags): Promise<void> {
  const limits = limitsOf(flags);
  const output = await KeyOutput.open(this, flags);
  const { client } = await connect(this, flags);
  const made = await client.keys.create({
    ...(flags.name === undefined ? {} : { name: flags.name }),
    ...(flags.user === undefined ? {} : { user_id: flags.user }),
    ...(flags.scopes === undefined ? {} : { scopes: flags.scopes }),
    ...(limits === null ? {} : { limits }),
    ...(flags.requestsPerMinute === undefined
      ? {}
      : { requests_per_minute: flags.requestsPerMinute }),
    ...(flags.maxStreams === undefined ? {} : { max_streams: flags.maxStreams }),
    ...(flags.expires === undefined
      ? {}
      : { expires_at: new Date(systemClock.now() + flags.expires * 1000).toISOString() }),
  });
  await output.give(made);
}
