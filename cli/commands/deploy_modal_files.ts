/** The script that runs a file on Modal, made from the command's flags. @module */
import { createHash } from "node:crypto";
import { EXIT, SynthError } from "@synth/core";
import {
  MODAL_PORT,
  MODAL_PROJECT,
  type ModalDeploymentConfig,
  modalScript,
  parseModalConfig,
} from "@synth/task-app/deploy";
import { absolute, joinPath } from "../state/paths.ts";
import type { DeployFlags, DeployRun } from "./deploy_flags.ts";
import type { DetachedJob } from "./serve_child.ts";
import { realFile } from "./serve_job.ts";
import { fileUrl, findConfig, RECORD_SEPARATOR, TOOLKITS, writeRunner } from "./serve_process.ts";

/** Characters of a name that can stand in its secret's. */
const LONGEST_NAME = 54;
const DEFAULT_PERMISSIONS = ["net", "env", "read"];

/** Makes the script. @throws {SynthError} `task_app_file_not_found` (exit code 3), `invalid_modal_config` (2) */
export async function modalFiles(run: DeployRun): Promise<{ readonly script: string }> {
  const { context, flags, paths } = run;
  const file = await realFile(absolute(context, run.file ?? ""));
  const found = await findConfig(context, file);
  // That of this checkout knows nothing of a file elsewhere.
  const config = found !== null && isBelow(joinPath(context, found, ".."), file) ? found : null;
  const project = joinPath(context, config ?? file, "..");
  const job: DetachedJob = {
    file: fileUrl(`${MODAL_PROJECT}/${below(project, file)}`),
    toolkits: TOOLKITS,
    mark: RECORD_SEPARATOR,
    host: "0.0.0.0",
    port: MODAL_PORT,
    tries: 1,
  };
  const script = modalScript({
    config: configOf(run),
    project,
    file: below(project, file),
    denoConfig: config === null ? null : below(project, config),
    runner: await writeRunner(context, paths.home),
    job: JSON.stringify(job),
    permissions: (flags.allow ?? DEFAULT_PERMISSIONS).map((name) => `--allow-${name}`),
    denoVersion: Deno.version.deno,
    private: await privateBelow(run, project),
  });
  return { script };
}

/** What must not be copied into the image, whatever it is called: the files of variables, and our own directory. */
async function privateBelow({ context, flags, paths }: DeployRun, project: string) {
  const given = (flags.envFile ?? []).map((path) => absolute(context, path));
  const found: string[] = [];
  for (const path of [...given, paths.home]) {
    // By its own name, and by the one that a link stands for.
    for (const name of new Set([path, await Deno.realPath(path).catch(() => path)])) {
      if (isBelow(project, name)) found.push(below(project, name));
    }
  }
  return found;
}

/** Name of the secret at Modal that holds the app's variables: another one for each name, though Modal takes but 64 characters. */
export function secretName({ name }: Pick<DeployRun, "name">): string {
  if (name.length <= LONGEST_NAME) return `${name}-task-app`;
  const digest = createHash("sha256").update(name).digest("hex").slice(0, 16);
  return `${name.slice(0, LONGEST_NAME - 17)}-${digest}-task-app`;
}

function configOf(run: DeployRun): ModalDeploymentConfig {
  const { context, flags, name } = run;
  return parseModalConfig({
    appName: name,
    pipPackages: flags.modalPip ?? [],
    secretNames: [secretName(run), ...flags.modalSecret ?? []],
    extraLocalDirs: (flags.modalDir ?? []).map((text) => {
      const { left, right } = pair(text, "--modal-dir");
      return { local: absolute(context, left), remote: right };
    }),
    volumeMounts: (flags.modalVolume ?? []).map((text) => {
      const { left, right } = pair(text, "--modal-volume");
      return { name: left, path: right };
    }),
    ...resources(flags),
  });
}

function resources(flags: DeployFlags): Partial<ModalDeploymentConfig> {
  const { modalCpu, modalMemory, modalTimeout, modalMinContainers, modalMaxContainers } = flags;
  return {
    ...(modalCpu === undefined ? {} : { cpu: modalCpu }),
    ...(modalMemory === undefined ? {} : { memoryMib: modalMemory }),
    ...(modalTimeout === undefined ? {} : { timeoutS: modalTimeout }),
    ...(modalMinContainers === undefined ? {} : { minContainers: modalMinContainers }),
    ...(modalMaxContainers === undefined ? {} : { maxContainers: modalMaxContainers }),
  };
}

function pair(text: string, flag: string): { left: string; right: string } {
  const at = text.lastIndexOf("=");
  if (at > 0) return { left: text.slice(0, at), right: text.slice(at + 1) };
  throw new SynthError(`${flag} ${JSON.stringify(text)} names no place in the container`, {
    code: "invalid_modal_config",
    status: 400,
    exitCode: EXIT.usage,
    hint: `Write ${flag} NAME=/path`,
  });
}

function isBelow(directory: string, path: string): boolean {
  return slashed(path).startsWith(slashed(`${directory}/`));
}

/** A path below a directory, with `/`. */
function below(directory: string, path: string): string {
  return slashed(path).slice(slashed(`${directory}/`).length);
}

function slashed(path: string): string {
  return path.replaceAll("\\", "/").replaceAll("//", "/");
}
