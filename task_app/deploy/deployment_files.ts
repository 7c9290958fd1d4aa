/** The files of a deployment. @module */
import { makePrivateDirectory } from "@synth/core/platform";
import { createLogFile } from "../processes/log_file.ts";

/** Where they lie. */
export interface DeploymentFiles {
  /** For its owner alone. */
  readonly directory: string;
  readonly log: string;
}

/** The files of a deployment in the directory of the state. Nothing is made. */
export function deploymentFiles(home: string, id: string): DeploymentFiles {
  const directory = `${home}/deployments/${id}`;
  return { directory, log: `${directory}/app.log` };
}

/** Makes the directory and an empty log. */
export async function makeDeploymentFiles(home: string, id: string): Promise<DeploymentFiles> {
  const files = deploymentFiles(home, id);
  await makePrivateDirectory(files.directory);
  await createLogFile(files.log);
  return files;
}

/** Removes all of them. An id with another shape than ours removes nothing. */
export async function removeDeploymentFiles(home: string, id: string): Promise<void> {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(id)) return;
  try {
    await Deno.remove(deploymentFiles(home, id).directory, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
