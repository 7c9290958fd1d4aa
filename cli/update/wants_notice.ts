/** Who wants to hear of newer versions. @module */
import type { CliContext } from "../context.ts";

/** Someone at a terminal, unless `CI`, `NO_UPDATE_NOTIFIER` or `SYNTH_OFFLINE` is set. */
export function wantsNotice({ process, env }: CliContext): boolean {
  if (!process.stderr.isTerminal) return false;
  return !["CI", "NO_UPDATE_NOTIFIER", "SYNTH_OFFLINE"].some((name) => isSet(env[name]));
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && !/^(?:|0|false|no|off)$/i.test(value);
}
