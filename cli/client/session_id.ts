/** Which session a command is about. @module */
import { EXIT, isSessionId, SynthError } from "@synth/core";
import type { SynthClient } from "@synth/core/api";
import type { CliContext } from "../context.ts";

/**
 * The given id > `SYNTH_SESSION_ID` > the active session of the key's user.
 *
 * @throws {SynthError} `invalid_session_id` (exit code 2), `no_active_session` (3)
 */
export async function findSessionId(
  context: Pick<CliContext, "env">,
  client: Pick<SynthClient, "me">,
  given: string | undefined,
): Promise<string> {
  const named = given ?? context.env.SYNTH_SESSION_ID;
  if (named) return checkSessionId(named);
  const { active_session_id: active } = await client.me();
  if (active !== null) return active;
  throw new SynthError("There is no active session", {
    code: "no_active_session",
    exitCode: EXIT.notFound,
    hint: "Name one, or start one: synth session create, synth codex, synth opencode",
  });
}

/** Checks the shape. @throws {SynthError} `invalid_session_id`, exit code 2 */
export function checkSessionId(text: string): string {
  if (isSessionId(text)) return text;
  throw new SynthError(`${JSON.stringify(text.slice(0, 64))} is not a session id`, {
    code: "invalid_session_id",
    exitCode: EXIT.usage,
    hint: "A session id is sess_ and 26 of [0-9a-z]",
  });
}
