/** What `synth keys revoke` does. @module */
import { type ClientFlags, connect } from "../client/connect.ts";
import type { CliContext } from "../context.ts";
import { printJson, printLine } from "../output/print.ts";

/** Ends a key. */
export async function runKeysRevoke(
  this: CliContext,
  flags: ClientFlags,
  keyId: string,
): Promise<void> {
  const { client } = await connect(this, flags);
  await client.keys.revoke(keyId);
  if (flags.json) return printJson(this, { key_id: keyId, revoked: true });
  printLine(this, keyId);
}
