/** The Python program that runs a task app on Modal. @module */
import type { ModalDeploymentConfig } from "./modal_config.ts";
import { pythonFloat, pythonString, pythonStrings } from "./python_literal.ts";

/** Where the project lies in the container. */
export const MODAL_PROJECT = "/project";

/** Where the program that serves the task app lies in the container. */
export const MODAL_RUNNER = "/synth/serve.mjs";

/** Port in the container. */
export const MODAL_PORT = 8000;

const STARTUP_S = 120;
const MAX_INPUTS = 64;

/** What is left at home: what is secret, and what is made anew. */
const IGNORED: readonly string[] = [
  "**/.env",
  "**/.env.*",
  "**/*.env",
  "**/*.pem",
  "**/*.key",
  "**/.git",
  "**/node_modules",
  "**/.modal.toml",
  "**/__pycache__",
];

/** What is run where. */
export interface ModalScriptOptions {
  readonly config: ModalDeploymentConfig;
  /** Directory on this machine that holds the task app and its `deno.json`. */
  readonly project: string;
  /** The task app's file, below the project, with `/`. */
  readonly file: string;
  /** The `deno.json`, below the project; `null`: none. */
  readonly denoConfig: string | null;
  /** Program on this machine that serves the file. */
  readonly runner: string;
  /** The argument of that program. */
  readonly job: string;
  /** `--allow-net` ... */
  readonly permissions: readonly string[];
  readonly denoVersion: string;
  /** What else stays at home, files and directories below the project, with `/`. @default {nothing} */
  readonly private?: readonly string[];
}

/**
 * A script for `modal deploy` and `modal serve`: Deno from its package on PyPI, the project's files but for secrets, and one web server. It holds
 * no secret: keys come from Modal's secrets. All texts are literals in ASCII, whatever they hold.
 */
export function modalScript(options: ModalScriptOptions): string {
  const { config, project, file, denoConfig, runner, job, permissions, denoVersion } = options;
  const ignored = [...IGNORED, ...(options.private ?? []).map(patternOf)];
  const denoFlags = denoConfig === null
    ? ["--no-config"]
    : ["--config", `${MODAL_PROJECT}/${denoConfig}`];
  const cache = ["deno", "cache", ...denoFlags, `${MODAL_PROJECT}/${file}`];
  const command = ["deno", "run", "--no-prompt", ...denoFlags, ...permissions, MODAL_RUNNER, job];
  const packages = [`deno==${denoVersion}`, ...config.pipPackages];
  const image = [
    `modal.Image.debian_slim(python_version=${pythonString(config.pythonVersion)})`,
    `.pip_install(${packages.map(pythonString).join(", ")})`,
    `.add_local_dir(${pythonString(project)}, ${pythonString(MODAL_PROJECT)}, copy=True, ignore=${
      pythonStrings(ignored)
    })`,
    `.run_commands(shlex.join(${pythonStrings(cache)}))`,
    `.add_local_file(${pythonString(runner)}, ${pythonString(MODAL_RUNNER)})`,
    ...config.extraLocalDirs.map(({ local, remote }) =>
      `.add_local_dir(${pythonString(local)}, ${pythonString(remote)}, ignore=${
        pythonStrings(IGNORED)
      })`
    ),
  ];
  const secrets = config.secretNames.map((name) => `modal.Secret.from_name(${pythonString(name)})`);
  const volumes = config.volumeMounts.map(({ name, path }) =>
    `${pythonString(path)}: modal.Volume.from_name(${pythonString(name)}, create_if_missing=True)`
  );
  return [
    "# Made by synth deploy: it is written anew with each deployment.",
    "import shlex",
    "import subprocess",
    "",
    "import modal",
    "",
    `app = modal.App(${pythonString(config.appName)})`,
    "image = (",
    ...image.map((line) => `    ${line}`),
    ")",
    "",
    "",
    "@app.function(",
    "    image=image,",
    `    secrets=[${secrets.join(", ")}],`,
    `    volumes={${volumes.join(", ")}},`,
    `    cpu=${pythonFloat(config.cpu)},`,
    `    memory=${config.memoryMib},`,
    `    timeout=${config.timeoutS},`,
    `    min_containers=${config.minContainers},`,
    `    max_containers=${config.maxContainers},`,
    ")",
    `@modal.concurrent(max_inputs=${MAX_INPUTS})`,
    `@modal.web_server(${MODAL_PORT}, startup_timeout=${pythonFloat(STARTUP_S)})`,
    "def task_app():",
    `    subprocess.Popen(${pythonStrings(command)}, cwd=${pythonString(MODAL_PROJECT)})`,
    "",
  ].join("\n");
}

/** The pattern that fits this very path. */
function patternOf(path: string): string {
  return path.replace(/[\\*?[\]!]/g, "\\$&");
}
