/** What `synth session create` does. @module */
import { EXIT, newSessionId, SynthError } from "@synth/core";
import type { WireOnLimit } from "@synth/core/api";
import { type ClientFlags, connect } from "../client/connect.ts";
import { type LimitFlags, limitsOf } from "../client/limit_flags.ts";
import { checkSessionId } from "../client/session_id.ts";
import type { CliContext } from "../context.ts";
import { printJson, printLine } from "../output/print.ts";
import { sessionText } from "../output/session_view.ts";

/** Flags of the command. */
export interface CreateFlags extends ClientFlags, LimitFlags {
  readonly unlimited: boolean;
  readonly ttl?: number;
  readonly idle?: number;
  readonly type?: string;
  readonly onLimit?: WireOnLimit;
  readonly makeActive: boolean;
  readonly id?: string;
}

/** Opens a session. */
export async function runSessionCreate(this: CliContext, flags: CreateFlags): Promise<void> {
  const limits = limitsOf(flags);
  if (flags.unlimited && limits !== null) {
    throw new SynthError("--unlimited and a limit cannot both be", {
      code: "usage",
      exitCode: EXIT.usage,
    });
  }
  // The id is made here, so that a request that is sent twice opens one session.
  const id = flags.id === undefined ? newSessionId() : checkSessionId(flags.id);
  const { client } = await connect(this, flags);
  const session = await client.sessions.create({
    session_id: id,
    make_active: flags.makeActive,
    ...(flags.unlimited ? { limits: [] } : limits === null ? {} : { limits }),
    ...(flags.ttl === undefined ? {} : { ttl_seconds: flags.ttl }),
    ...(flags.idle === undefined ? {} : { idle_seconds: flags.idle }),
    ...(flags.type === undefined ? {} : { session_type: flags.type }),
    ...(flags.onLimit === undefined ? {} : { on_limit: flags.onLimit }),
  });
  if (flags.json) return printJson(this, session);
  this.process.stderr.write(sessionText(session, this.process.stderr));
  printLine(this, session.session_id);
}
