/** What `synth session watch` does. @module */
import { EXIT, SynthError, systemClock } from "@synth/core";
import type { SessionObject, SynthClient } from "@synth/core/api";
import { onSignal } from "@synth/core/platform";
import { type ClientFlags, connect } from "../client/connect.ts";
import { findSessionId } from "../client/session_id.ts";
import type { CliContext } from "../context.ts";
import { BAR_STYLES, barLines, type BarStyle } from "../output/bars.ts";
import { printLine } from "../output/print.ts";

/** Flags of the command. */
export interface WatchFlags extends ClientFlags {
  /** Seconds. */
  readonly interval?: number;
  readonly once: boolean;
}

const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";

/** Watches a session until it is over or the user has seen enough. */
export async function runSessionWatch(
  this: CliContext,
  flags: WatchFlags,
  given?: string,
): Promise<void> {
  const { client } = await connect(this, flags);
  const id = await findSessionId(this, client, given);
  const stop = new AbortController();
  const stopListening = onSignal(["SIGINT", "SIGTERM"], () => stop.abort());
  const { stdout } = this.process;
  const animated = stdout.isTerminal && !flags.json && this.env.TERM !== "dumb";
  const show = animated ? drawer(this) : printer(this);
  try {
    for await (const session of sightings(client, id, flags, stop.signal)) {
      show(session);
      if (stdout.gone()) return;
    }
  } finally {
    stopListening();
    if (animated) stdout.write(SHOW_CURSOR);
  }
  if (stop.signal.aborted) this.process.exitCode = EXIT.interrupted;
}

/** The session again and again. A gateway that is away for a moment, a restart, is waited for. */
async function* sightings(
  client: SynthClient,
  id: string,
  { interval = 1, once }: WatchFlags,
  signal: AbortSignal,
): AsyncGenerator<SessionObject> {
  let seen = false;
  while (!signal.aborted) {
    const session = await client.sessions.get(id).catch((error: unknown) => {
      const away = error instanceof SynthError && error.exitCode === EXIT.unavailable;
      if (seen && away) return null;
      throw error;
    });
    if (signal.aborted) return;
    if (session !== null) {
      seen = true;
      yield session;
      if (once || session.status === "ended" || session.status === "expired") return;
    }
    await systemClock.sleep(interval * 1000, signal).catch(() => undefined);
  }
}

/** One JSON object a line, when something has changed. */
function printer(context: CliContext): (session: SessionObject) => void {
  let last = "";
  return (session) => {
    const line = JSON.stringify(session);
    // Its sign of life alone is no news.
    const news = JSON.stringify({ ...session, last_seen_at: "", expires_at: "" });
    if (news === last) return;
    last = news;
    printLine(context, line);
  };
}

/** Bars that are drawn over the ones before. */
function drawer(context: CliContext): (session: SessionObject) => void {
  const { stdout } = context.process;
  let lines = 0;
  stdout.write(HIDE_CURSOR);
  return (session) => {
    const width = (stdout.columns() ?? 80) - 1;
    const drawn = barLines(session, styleOf(context), stdout, width);
    const up = lines === 0 ? "" : `\x1b[${lines}A`;
    lines = drawn.length;
    stdout.write(`${up}\r\x1b[J${drawn.join("\n")}\n`);
  };
}

function styleOf({ env, os }: CliContext): BarStyle {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || "";
  const unicode = os !== "linux" || /utf-?8/i.test(locale);
  return unicode ? BAR_STYLES.unicode : BAR_STYLES.ascii;
}
