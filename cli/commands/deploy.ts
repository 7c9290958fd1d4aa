/** `synth deploy` @module */
import { buildCommand, buildRouteMap, type RouteMap } from "@stricli/core";
import type { CliContext } from "../context.ts";
import type { DeployFlags } from "./deploy_flags.ts";
import type { DeployListFlags } from "./deploy_list.ts";
import type { DeployLogsFlags } from "./deploy_logs.ts";
import type { DeployStatusFlags } from "./deploy_status.ts";
import type { DeployStopFlags } from "./deploy_stop.ts";
import { baseUrlFlag, configFlag, homeFlag, jsonFlag, optionalFlag } from "./flags.ts";

const PERMISSION = /^(?:all|(?:net|env|read|write|run|sys|ffi|import)(?:=[^\s]+)?)$/;

const deploymentId = {
  kind: "tuple",
  parameters: [{ brief: "Its id or name", parse: String, placeholder: "deployment" }],
} as const;

const run = buildCommand<DeployFlags, [string?], CliContext>({
  loader: async () => (await import("./deploy_run.ts")).runDeploy,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{
        brief: "The task app's file",
        parse: String,
        placeholder: "file",
        optional: true,
      }],
    },
    flags: {
      home: homeFlag,
      json: jsonFlag,
      taskApp: optionalFlag("The file, as synth-ai names it", "file", String),
      runtime: {
        kind: "enum",
        values: ["local", "tunnel", "modal", "worker", "deno-deploy"],
        brief: "Where it runs",
        default: "local",
      },
      name: optionalFlag("What it is called (the file's name)", "name", parseName),
      envFile: repeated("Read variables from this file; those that are set stay", "file", String),
      wait: { kind: "boolean", brief: "Wait until it answers", default: true },
      check: { kind: "boolean", brief: "Ask all routes of the contract", default: true },
      dryRun: {
        kind: "boolean",
        brief: "Show or build what would be deployed, and deploy nothing",
        default: false,
      },
      host: {
        kind: "enum",
        values: ["127.0.0.1", "localhost", "0.0.0.0"],
        brief: "local, tunnel: address to listen on",
        default: "127.0.0.1",
      },
      port: optionalFlag(
        "local, tunnel: port, 0 picks one (the first that is free from 8001)",
        "port",
        number(0, 65_535, true),
      ),
      allow: repeated("What the file may do, as Deno names it", "permission", parsePermission),
      tunnelMode: {
        kind: "enum",
        values: ["quick", "managed"],
        brief: "tunnel: a random name, or your backend's own",
        default: "quick",
      },
      subdomain: optionalFlag("tunnel: which managed tunnel", "label", String),
      saveEnv: optionalFlag(
        "tunnel: write TASK_APP_URL and CF_ACCESS_* there (.env)",
        "file",
        String,
      ),
      baseUrl: baseUrlFlag,
      config: configFlag,
      modalApp: optionalFlag("modal: a script of your own with a modal.App", "file", String),
      modalMode: {
        kind: "enum",
        values: ["deploy", "serve"],
        brief: "modal: to stay, or as long as its process here",
        default: "deploy",
      },
      modalCli: optionalFlag("modal: the program (modal on the PATH)", "file", String),
      modalCpu: optionalFlag("modal: cores (2)", "n", number(0.125, 64)),
      modalMemory: optionalFlag("modal: MiB (4096)", "n", number(128, 344_064, true)),
      modalTimeout: optionalFlag("modal: seconds of a request (600)", "n", number(1, 86_400, true)),
      modalMinContainers: optionalFlag(
        "modal: containers that always run, and cost (0)",
        "n",
        number(0, 1000, true),
      ),
      modalMaxContainers: optionalFlag("modal: at most (4)", "n", number(1, 1000, true)),
      modalVolume: repeated("modal: mount a volume, NAME=/PATH", "volume", String),
      modalSecret: repeated("modal: variables of a secret that is there", "secret", String),
      modalDir: repeated("modal: put a directory there, LOCAL=/PATH", "dir", String),
      modalPip: repeated("modal: install a Python package", "package", String),
      out: optionalFlag("worker, deno-deploy: where a dry run builds (dist-NAME)", "dir", String),
      org: optionalFlag("deno-deploy: the organization", "name", parseName),
    },
  },
  docs: {
    brief: "Deploy a task app",
    fullDescription: [
      "Starts FILE where it outlives this command, checks that it answers to its key, and keeps a record",
      "of it. What fails leaves nothing behind. Callers need ENVIRONMENT_API_KEY, from the environment, an",
      "--env-file or synth setup. A file called list, status, stop, logs or run is written ./list.",
      "",
      "EXAMPLES",
      "  synth deploy task_app.ts",
      "  synth deploy task_app.ts --runtime tunnel --name capitals",
      "  synth deploy task_app.ts --runtime modal --name capitals --dry-run",
      "  synth deploy task_app.ts --runtime worker --dry-run --out dist",
      "  synth deploy list",
      "  synth deploy stop capitals",
    ].join("\n"),
  },
});

const list = buildCommand<DeployListFlags, [], CliContext>({
  loader: async () => (await import("./deploy_list.ts")).runDeployList,
  parameters: { flags: { home: homeFlag, json: jsonFlag } },
  docs: {
    brief: "List deployments and how they are",
    fullDescription: "Lists deployments, also those that ended until they are stopped.\n\n" +
      "EXAMPLES\n  synth deploy list\n  synth deploy list --json",
  },
});

const status = buildCommand<DeployStatusFlags, [string], CliContext>({
  loader: async () => (await import("./deploy_status.ts")).runDeployStatus,
  parameters: { flags: { home: homeFlag, json: jsonFlag }, positional: deploymentId },
  docs: {
    brief: "Show a deployment; exit code 6 when it is not well",
    fullDescription: "Shows a deployment, and asks what runs here for its health.\n\n" +
      "EXAMPLES\n  synth deploy status capitals\n  synth deploy status dep_... --json",
  },
});

const stop = buildCommand<DeployStopFlags, [string], CliContext>({
  loader: async () => (await import("./deploy_stop.ts")).runDeployStop,
  parameters: {
    flags: {
      home: homeFlag,
      json: jsonFlag,
      forget: {
        kind: "boolean",
        brief: "Remove the record alone, and leave the deployment as it is",
        default: false,
      },
    },
    positional: deploymentId,
  },
  docs: {
    brief: "End a deployment and its tunnel",
    fullDescription: "Ends a deployment, its tunnel, its record and its log; nothing else.\n\n" +
      "EXAMPLES\n  synth deploy stop capitals\n  synth deploy stop dep_...",
  },
});

const logs = buildCommand<DeployLogsFlags, [string], CliContext>({
  loader: async () => (await import("./deploy_logs.ts")).runDeployLogs,
  parameters: {
    flags: {
      home: homeFlag,
      json: jsonFlag,
      follow: { kind: "boolean", brief: "Go on until the deployment ends", default: false },
      lines: optionalFlag("How many of the last lines (100)", "n", number(0, 100_000, true)),
    },
    positional: deploymentId,
  },
  docs: {
    brief: "Show what a deployment prints",
    fullDescription: "Shows the log of a deployment.\n\nEXAMPLES\n  synth deploy logs capitals\n" +
      "  synth deploy logs capitals --follow --lines 0",
  },
});

/** The commands about deployments; `synth deploy FILE` is `synth deploy run FILE`. */
export const deployRoutes: RouteMap<CliContext> = buildRouteMap<
  "run" | "list" | "status" | "stop" | "logs",
  CliContext
>({
  routes: { run, list, status, stop, logs },
  defaultCommand: "run",
  docs: {
    brief: "Deploy task apps, and see, read and stop deployments",
    fullDescription: "synth deploy FILE is synth deploy run FILE: see synth deploy run --help.",
  },
});

function repeated<T>(brief: string, placeholder: string, parse: (text: string) => T) {
  return { kind: "parsed", parse, brief, placeholder, variadic: true, optional: true } as const;
}

function number(least: number, most: number, whole = false): (text: string) => number {
  return (text) => {
    const value = Number(text);
    const written = whole ? /^[0-9]{1,6}$/.test(text) : /^[0-9]{1,6}(?:\.[0-9]{1,6})?$/.test(text);
    if (written && value >= least && value <= most) return value;
    throw new Error(`write a ${whole ? "whole " : ""}number from ${least} to ${most}`);
  };
}

function parseName(text: string): string {
  if (/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/.test(text)) return text;
  throw new Error("write letters, digits and dashes, at most 63");
}

function parsePermission(text: string): string {
  if (PERMISSION.test(text)) return text;
  throw new Error(
    "write net, env, read, write, run, sys, ffi or import, with =VALUE if you like, or all",
  );
}
