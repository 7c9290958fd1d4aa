/**
 * Task apps that outlive the command that started them: what became of them, how they end, and what platforms need to run them. Needs Deno.
 *
 * ```ts
 * import { modalScript, parseModalConfig } from "@synth/task-app/deploy";
 *
 * const script = modalScript({
 *   config: parseModalConfig({ appName: "echo", secretNames: ["echo-env"] }),
 *   project: "/home/me/echo",
 *   file: "app.ts",
 *   denoConfig: "deno.json",
 *   runner: "/home/me/.local/share/synth/serve.mjs",
 *   job: "{}",
 *   permissions: ["--allow-net", "--allow-env", "--allow-read"],
 *   denoVersion: "2.9.6",
 * });
 * console.log(script.includes('modal.App("echo")')); // true
 * ```
 *
 * @module
 */
export { bundleEdge, type BundleOptions, type EdgeBundle } from "./bundle_edge.ts";
export {
  type DeploymentFiles,
  deploymentFiles,
  makeDeploymentFiles,
  removeDeploymentFiles,
} from "./deployment_files.ts";
export {
  Deployments,
  type DeploymentsOptions,
  type DeploymentState,
  type DeploymentStatus,
  type Platforms,
} from "./deployments.ts";
export {
  BUNDLE_MARK,
  denoDeployConfig,
  edgeEntry,
  type EdgeToolkit,
  WORKER_COMPATIBILITY_DATE,
  wranglerConfig,
} from "./edge_files.ts";
export {
  ModalCli,
  type ModalCliOptions,
  modalEnvironment,
  type ModalState,
  noModalUrl,
} from "./modal_cli.ts";
export {
  type ModalDeploymentConfig,
  type ModalDeploymentInput,
  parseModalConfig,
} from "./modal_config.ts";
export { isModalStateUp, type ModalOutput, readModalOutput } from "./modal_output.ts";
export {
  MODAL_PORT,
  MODAL_PROJECT,
  MODAL_RUNNER,
  modalScript,
  type ModalScriptOptions,
} from "./modal_script.ts";
export { type ProgramCommand, type ProgramResult, runProgram } from "./run_program.ts";
export { WranglerCli, type WranglerOptions } from "./wrangler_cli.ts";
