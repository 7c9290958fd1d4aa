/** How the opening of a tunnel fails. @module */
import { EXIT, SynthError } from "@synth/core";
import type { ProcessExit } from "../processes/detached_process.ts";
import type { LogVerdict } from "./cloudflared/read_log.ts";

/** The program ended before its tunnel was open. */
export function tunnelEnded(exit: ProcessExit, verdict: LogVerdict): SynthError {
  if (verdict.rateLimited) return rateLimited();
  const how = describeExit(exit);
  const said = verdict.message === null ? "it said nothing" : `it said: ${verdict.message}`;
  return new SynthError(`cloudflared ended before the tunnel was open (${how}); ${said}`, {
    code: "tunnel_ended",
    status: 502,
    exitCode: EXIT.unavailable,
    hint: verdict.unauthorized
      ? "The tunnel's token is not valid any more: delete the tunnel, or have it rotated"
      : "Check that this machine reaches the internet: cloudflared connects to port 7844",
  });
}

/** Somebody did not want it any more. */
export function closedByAnother(): SynthError {
  return new SynthError("The tunnel was closed while it was opened", {
    code: "tunnel_closed",
    status: 499,
    exitCode: EXIT.failed,
  });
}

/** The quick service gives no tunnel for now. */
export function rateLimited(): SynthError {
  return new SynthError("Too many quick tunnels were asked for from this network", {
    code: "tunnel_rate_limited",
    status: 503,
    exitCode: EXIT.temporary,
    hint:
      "Wait 5 to 10 minutes, or use a managed tunnel (--mode managed), or a URL of your own (SYNTH_TASK_APP_URL)",
  });
}

/** The program runs, but there is no tunnel. */
export function tunnelSilent(what: string, ms: number, verdict: LogVerdict): SynthError {
  if (verdict.rateLimited) return rateLimited();
  const said = verdict.message === null ? "" : `; it said: ${verdict.message}`;
  return new SynthError(`cloudflared did not ${what} within ${seconds(ms)}${said}`, {
    code: "tunnel_start_timeout",
    status: 504,
    hint: "Check that this machine reaches the internet: cloudflared connects to port 7844",
  });
}

/** The tunnel stands, but `/health` does not answer through it. */
export function notReachable(
  url: string,
  cause: SynthError,
  verdict: LogVerdict,
): SynthError {
  const refused = cause.code === "health_check_unauthorized";
  const said = verdict.message === null || refused ? "" : `; cloudflared said: ${verdict.message}`;
  return new SynthError(`The tunnel does not lead to the task app: ${cause.message}${said}`, {
    code: refused ? "tunnel_unauthorized" : "tunnel_not_reachable",
    status: refused ? 401 : 503,
    hint: refused
      ? "Set ENVIRONMENT_API_KEY as the task app has it; a managed tunnel also needs CF_ACCESS_CLIENT_ID and CF_ACCESS_CLIENT_SECRET"
      : `Try ${url}/health yourself; --no-wait opens a tunnel without this check`,
    cause,
  });
}

/** The time of the whole call is over. */
export function deadlineExceeded(ms: number, during: string): SynthError {
  return new SynthError(`The tunnel was not open within ${seconds(ms)} (${during})`, {
    code: "deadline_exceeded",
    status: 504,
    hint: "Give it more time (--timeout), or look at what the network lets through",
  });
}

/** `code 1`, `SIGKILL`. */
export function describeExit({ code, signal }: ProcessExit): string {
  return signal ?? (code === null ? "nobody knows how" : `code ${code}`);
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
