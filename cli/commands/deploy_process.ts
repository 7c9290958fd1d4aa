/** A user's file in a process that stays. @module */
import { newId, SynthError, systemClock } from "@synth/core";
import {
  type DetachedProcess,
  followLog,
  readLogTail,
  RELEASE,
  startDetached,
} from "@synth/task-app/processes";
import type { DetachedJob, FromChild } from "./serve_child.ts";
import {
  denoArguments,
  failureOf,
  fileUrl,
  RECORD_SEPARATOR,
  type ServeJob,
  TOOLKITS,
} from "./serve_process.ts";

/** Milliseconds that an app has to finish what it does. */
export const GRACE_MS = 10_000;

const TAIL_BYTES = 16 * 1024;
// deno-lint-ignore no-control-regex -- it begins what the process tells us
const TOLD = /\x1e[0-9A-Za-z]+\{[^\n]*\n?/g;

/** An app that was started and may not listen yet. */
export interface StartedApp {
  readonly process: DetachedProcess;
  /** Aborted, with an error that says so, when the process has ended. */
  readonly gone: AbortSignal;
  /** Resolves when it listens. @throws {SynthError} what loading or listening gave; `task_app_ended`; the signal's reason */
  listening(signal: AbortSignal): Promise<{ port: number; appId: string | null }>;
  /** The end of what it has printed. */
  tail(): Promise<string>;
}

/** Starts a file, which loads once the process is released. What it prints goes to the log, and so does what it tells us, behind a mark. @throws {SynthError} `program_not_runnable`, exit code 127 */
export async function startApp(
  job: ServeJob,
  on: { readonly host: string; readonly port: number; readonly tries: number },
  logFile: string,
): Promise<StartedApp> {
  const mark = RECORD_SEPARATOR + newId("");
  const told: DetachedJob = {
    file: fileUrl(job.file),
    toolkits: TOOLKITS,
    mark,
    release: RELEASE,
    ...on,
  };
  const process = await startDetached({
    program: job.deno,
    args: [...denoArguments(job), JSON.stringify(told)],
    env: job.env,
    cwd: job.cwd,
    logFile,
    gated: true,
  });
  const gone = new AbortController();
  void process.exited.then(({ code, signal }) => {
    const how = signal === null ? `with code ${code}` : `by ${signal}`;
    gone.abort(
      new SynthError(`The task app's process ended ${how}`, {
        code: "task_app_ended",
        hint: "What it printed says why",
      }),
    );
  });
  return {
    process,
    gone: gone.signal,
    listening: (signal) => listening(logFile, mark, gone.signal, signal),
    tail: async () => withoutMarks(await readLogTail(logFile, TAIL_BYTES)),
  };
}

/** What a file has printed, without what its process tells us. */
export function withoutMarks(text: string): string {
  return text.replace(TOLD, "");
}

async function listening(
  logFile: string,
  mark: string,
  gone: AbortSignal,
  signal: AbortSignal,
): Promise<{ port: number; appId: string | null }> {
  let appId: string | null = null;
  for await (const message of messagesOf(logFile, mark, gone, signal)) {
    if (message.did === "load") appId = message.appId;
    if (message.did === "listen") return { port: message.port, appId };
    if (message.did === "fail") throw failureOf(message);
  }
  signal.throwIfAborted();
  throw gone.reason;
}

async function* messagesOf(
  logFile: string,
  mark: string,
  gone: AbortSignal,
  signal: AbortSignal,
): AsyncGenerator<FromChild> {
  let text = "";
  const goesOn = () => !gone.aborted;
  for await (const piece of followLog(logFile, { clock: systemClock, signal, from: 0, goesOn })) {
    const lines = (text + piece).split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) {
      const at = line.indexOf(mark);
      if (at !== -1) yield JSON.parse(line.slice(at + mark.length));
    }
  }
}
