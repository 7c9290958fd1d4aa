/** What `synth session end` does. @module */
import { newId } from "@synth/core";
import { type ClientFlags, connect } from "../client/connect.ts";
import { findSessionId } from "../client/session_id.ts";
import type { CliContext } from "../context.ts";
import { printJson } from "../output/print.ts";
import { sessionText } from "../output/session_view.ts";

/** Flags of the command. */
export type EndFlags = ClientFlags;

/** Ends a session. */
export async function runSessionEnd(
  this: CliContext,
  flags: EndFlags,
  given?: string,
): Promise<void> {
  const { client } = await connect(this, flags);
  const id = await findSessionId(this, client, given);
  const session = await client.sessions.end(id, { idempotencyKey: newId("end_") });
  if (flags.json) return printJson(this, session);
  this.process.stdout.write(sessionText(session, this.process.stdout));
}
