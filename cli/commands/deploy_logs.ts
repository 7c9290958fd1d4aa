/** What `synth deploy logs` does. @module */
import { EXIT, SynthError, systemClock } from "@synth/core";
import { onSignal } from "@synth/core/platform";
import { deploymentFiles, Deployments } from "@synth/task-app/deploy";
import { followLog, readLogTail } from "@synth/task-app/processes";
import {
  type DeploymentServiceRecord,
  type ServiceRecord,
  ServiceRecords,
} from "@synth/task-app/records";
import type { CliContext } from "../context.ts";
import { findPaths } from "../state/paths.ts";
import { platformsOf, recordsLog } from "./deploy_platforms.ts";
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
  const stop = new AbortController();
  const lines = new LogLines(this, flags, () => stop.abort(interrupted()));
  const platforms = platformsOf(this, paths, (text, stream) => {
    if (stream === "stdout") lines.take(text);
    else this.process.stderr.write(text);
  });
  const log = recordsLog(this);
  const record = await new Deployments({ home: paths.home, platforms, log }).find(idOrName);
  const unlisten = onSignal(["SIGINT", "SIGTERM"], () => stop.abort(interrupted()));
  try {
    if (record.log_file !== undefined) {
      const records = new ServiceRecords({ home: paths.home });
      // Its own, whatever its record says: nothing else is shown.
      const path = deploymentFiles(paths.home, record.id).log;
      await showFile(flags, lines, { records, id: record.id, path, signal: stop.signal });
    } else if (record.target === "modal" && record.external_id !== undefined) {
      if (flags.lines === 0 && !flags.follow) return;
      const modal = await platforms.modal(record);
      await modal.logs(record.external_id, flags, stop.signal);
      lines.end();
    } else {
      throw noLog(record);
    }
    if (stop.signal.aborted && !this.process.stdout.gone()) {
      this.process.exitCode = EXIT.interrupted;
    }
  } catch (error) {
    // A reader that has gone has seen what it wanted.
    if (!this.process.stdout.gone()) throw error;
  } finally {
    unlisten();
  }
}

function noLog({ name, id, target }: DeploymentServiceRecord): SynthError {
  const hint = NONE[target];
  return new SynthError(`There is no log of ${name ?? id} on this machine`, {
    code: "log_not_found",
    exitCode: EXIT.notFound,
    ...(hint === undefined ? {} : { hint }),
  });
}

async function showFile(
  flags: DeployLogsFlags,
  lines: LogLines,
  log: {
    readonly records: ServiceRecords;
    readonly id: string;
    readonly path: string;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { records, id, path, signal } = log;
  const { size } = await Deno.stat(path).catch(() => ({ size: 0 }));
  const tail = withoutMarks(await readLogTail(path, TAIL_BYTES, size)).split("\n");
  const rest = tail.pop() ?? "";
  const all = rest === "" ? tail : [...tail, rest];
  const count = flags.lines ?? DEFAULT_LINES;
  const shown = count === 0 ? "" : all.slice(-count).join("\n");
  lines.take(shown === "" || rest !== "" ? shown : `${shown}\n`);
  // Its stop takes the record away.
  const goesOn = async () => {
    const found: ServiceRecord | undefined = await records.get(id);
    return found !== undefined && await records.processState(found) !== "gone";
  };
  if (flags.follow) {
    for await (const piece of followLog(path, { clock: systemClock, signal, from: size, goesOn })) {
      lines.take(piece);
    }
  }
  lines.end();
}

/** A program's words, line by line, with nothing that moves the cursor and nothing that its process tells us. */
class LogLines {
  readonly #context: CliContext;
  readonly #json: boolean;
  readonly #onGone: () => void;
  #rest = "";

  /** @param onGone called when nobody reads any more */
  constructor(context: CliContext, { json }: DeployLogsFlags, onGone: () => void) {
    this.#context = context;
    this.#json = json;
    this.#onGone = onGone;
  }

  /** Prints the lines that are whole. */
  take(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#print(line);
  }

  /** Prints the line that nothing ends. */
  end(): void {
    if (this.#rest !== "") this.#print(this.#rest);
    this.#rest = "";
  }

  #print(line: string): void {
    const shown = withoutMarks(line);
    if (shown === "" && line !== "") return;
    // deno-lint-ignore no-control-regex -- they would move the cursor
    const clean = shown.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, " ");
    const { stdout } = this.#context.process;
    stdout.write(this.#json ? `${JSON.stringify({ line: clean })}\n` : `${clean}\n`);
    if (stdout.gone()) this.#onGone();
  }
}

function interrupted(): SynthError {
  return new SynthError("Interrupted", { code: "interrupted", exitCode: EXIT.interrupted });
}
