/** What `synth deploy stop` does. @module */
import { EXIT, SynthError } from "@synth/core";
import { onSignal } from "@synth/core/platform";
import { Deployments } from "@synth/task-app/deploy";
import type { CliContext } from "../context.ts";
import { printJson, say } from "../output/print.ts";
import { findPaths } from "../state/paths.ts";
import { platformsOf, recordsLog } from "./deploy_platforms.ts";

/** Flags of the command. */
export interface DeployStopFlags {
  readonly home?: string;
  readonly json: boolean;
  readonly forget: boolean;
}

const WORDS = {
  stopped: "is stopped",
  gone: "had ended; its record is removed",
  forgotten: "is forgotten; what runs of it goes on",
} as const;

/** Ends one deployment, or forgets it. */
export async function runDeployStop(
  this: CliContext,
  flags: DeployStopFlags,
  idOrName: string,
): Promise<void> {
  const paths = findPaths(this, flags.home);
  const print = (text: string) => this.process.stderr.write(text);
  const deployments = new Deployments({
    home: paths.home,
    platforms: platformsOf(this, paths, print),
    log: recordsLog(this),
  });
  const stop = new AbortController();
  const unlisten = onSignal(["SIGINT", "SIGTERM"], () => stop.abort(interrupted()));
  try {
    const { id, name } = await deployments.find(idOrName);
    const result = flags.forget ? "forgotten" : await deployments.stop(id, stop.signal);
    if (flags.forget) await deployments.forget(id);
    say(this, `${name ?? id} ${WORDS[result]}`);
    if (flags.json) printJson(this, { id, result });
  } finally {
    unlisten();
  }
}

function interrupted(): SynthError {
  return new SynthError("Interrupted: the record is kept, so it can be stopped again", {
    code: "interrupted",
    exitCode: EXIT.interrupted,
  });
}
