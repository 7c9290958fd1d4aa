/** What `synth keys rotate` does. @module */
import { type ClientFlags, connect } from "../client/connect.ts";
import type { CliContext } from "../context.ts";
import { KeyOutput } from "../output/key_output.ts";

/** Flags of the command. */
export interface KeyRotateFlags extends ClientFlags {
  /** Seconds. */
  readonly grace?: number;
  readonly output?: string;
}

/** Replaces a key's text. */
export async function runKeysRotate(
  this: CliContext,
  flags: KeyRotateFlags,
  keyId: string,
): Promise<void> {
  const output = await KeyOutput.open(this, flags);
  const { client } = await connect(this, flags);
  const grace = flags.grace === undefined ? {} : { grace_seconds: Math.ceil(flags.grace) };
  await output.give(await client.keys.rotate(keyId, grace));
}
