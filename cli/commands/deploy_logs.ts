/** What `synth deploy logs` does. @module */
import { EXIT, SynthError, systemClock } from "@synth/core";
import { onSignal } from "@synth/core/platform";
import { Deployments } from "@synth/task-app/deploy";
import { followLog, readLogTail } from "@synth/task-app/processes";
import { type ServiceRecord, ServiceRecords } from "@synth/task-app/records";
import type { CliContext } from "../context.ts";
import { findPaths } from "../state/paths.ts";
import { platformsOf } from "./deploy_platforms.ts";
import { withoutMarks } from "./deploy_process.ts";

/** Flags of the command. */
export interface DeployLogsFlags {
  readonly home?: string;
  readonly json: boolean;
  readonly follow: boolean;
  readonly lines?: number;
}

const DEFAULT_LINES = 100;
const TAIL_BYTES = 1024 * 1024;
const NONE: Readonly<Record<string, string>> = {
  worker: "Run npx wrangler tail NAME, or see the Worker's logs in Cloudflare's dashboard",
  "deno-deploy": "See the app's logs at console.deno.com",
};

/** Prints the end of a deployment's log, and perhaps what comes, until it has ended. */
export async function runDeployLogs(
  this: CliContext,
  flags: DeployLogsFlags,
  idOrName: string,
): Promise<void> {
  const paths = findPaths(this, flags.home);
  const print = (text: string) => this.process.stdout.write(text);
  const platforms = platformsOf(this, paths, print);
  const record = await new Deployments({ home: paths.home, platforms }).find(idOrName);
  const stop = new AbortController();
  const unlisten = onSignal(["SIGINT", "SIGTERM"], () => stop.abort(interrupted()));
  try {
    const path = record.log_file;
    if (path !== undefined) {
      const records = new ServiceRecords({ home: paths.home });
      return await showFile(this, flags, { records, id: record.id, path, signal: stop.signal });
    }
    if (record.target === "modal") {
      const name = record.external_id ?? record.name ?? "";
      return await (await platforms.modal(record)).logs(name, flags.follow, stop.signal);
    }
    throw new SynthError(`There is no log of ${record.name ?? record.id} on this machine`, {
      code: "log_not_found",
      exitCode: EXIT.notFound,
      ...(NONE[record.target] === undefined ? {} : { hint: NONE[record.target] ?? "" }),
    });
  } finally {
    unlisten();
  }
}

async function showFile(
  context: CliContext,
  flags: DeployLogsFlags,
  log: {
    readonly records: ServiceRecords;
    readonly id: string;
    readonly path: string;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { records, id, path, signal } = log;
  const { size } = await Deno.stat(path).catch(() => ({ size: 0 }));
  const lines = withoutMarks(await readLogTail(path, TAIL_BYTES)).split("\n");
  if (lines.at(-1) === "") lines.pop();
  const count = flags.lines ?? DEFAULT_LINES;
  for (const line of count === 0 ? [] : lines.slice(-count)) printLog(context, flags, line);
  if (!flags.follow) return;
  // Its stop takes the record away.
  const goesOn = async () => {
    const found: ServiceRecord | undefined = await records.get(id);
    if (found === undefined || context.process.stdout.gone()) return false;
    return await records.processState(found) !== "gone";
  };
  let rest = "";
  for await (const piece of followLog(path, { clock: systemClock, signal, from: size, goesOn })) {
    const parts = (rest + piece).split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) printLog(context, flags, line);
  }
  if (rest !== "") printLog(context, flags, rest);
  if (signal.aborted) context.process.exitCode = EXIT.interrupted;
}

/** A program's words, with nothing that moves the cursor. */
function printLog(context: CliContext, flags: DeployLogsFlags, line: string): void {
  // deno-lint-ignore no-control-regex -- they would move the cursor
  const clean = line.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, " ");
  context.process.stdout.write(
    flags.json ? `${JSON.stringify({ line: clean })}\n` : `${clean}\n`,
  );
}

function interrupted(): SynthError {
  return new SynthError("Interrupted", { code: "interrupted", exitCode: EXIT.interrupted });
}
