/** What `synth session show` and `synth status session` do. @module */
import { type ClientFlags, connect } from "../client/connect.ts";
import { findSessionId } from "../client/session_id.ts";
import type { CliContext } from "../context.ts";
import { printJson } from "../output/print.ts";
import { exceededText, sessionText } from "../output/session_view.ts";

/** Flags of the commands. */
export interface ShowFlags extends ClientFlags {
  /** `synth status session` has the id as a flag. */
  readonly sessionId?: string;
}

/** Shows a session. */
export async function runSessionShow(
  this: CliContext,
  flags: ShowFlags,
  given?: string,
): Promise<void> {
  const { client } = await connect(this, flags);
  const id = await findSessionId(this, client, given ?? flags.sessionId);
  const session = await client.sessions.get(id);
  if (flags.json) return printJson(this, session);
  this.process.stdout.write(sessionText(session, this.process.stdout));
  this.process.stderr.write(exceededText(session, this.process.stderr));
}
