/** `synth serve` @module */
import { buildCommand, type Command } from "@stricli/core";
import type { CliContext } from "../context.ts";
import { clientFlags, optionalFlag } from "./flags.ts";
import type { ServeFlags } from "./serve_run.ts";

/** Ways to reach a served task app. */
export const SERVE_TUNNELS = ["local", "quick", "managed"] as const;

/** One of {@linkcode SERVE_TUNNELS}. */
export type ServeTunnel = (typeof SERVE_TUNNELS)[number];

const PERMISSION = /^(?:all|(?:net|env|read|write|run|sys|ffi|import)(?:=[^\s]+)?)$/;

/** Serves a task app in the foreground. */
export const serveCommand: Command<CliContext> = buildCommand<ServeFlags, [string], CliContext>({
  loader: async () => (await import("./serve_run.ts")).runServe,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ brief: "The task app's file", parse: String, placeholder: "file" }],
    },
    flags: {
      ...clientFlags,
      host: {
        kind: "enum",
        values: ["127.0.0.1", "localhost", "0.0.0.0"],
        brief: "Address to listen on",
        default: "127.0.0.1",
      },
      port: optionalFlag(
        "Port to listen on, 0 picks one (the first that is free from 8001)",
        "port",
        parsePort,
      ),
      watch: { kind: "boolean", brief: "Start anew when a file changes", default: false },
      envFile: {
        kind: "parsed",
        parse: String,
        brief: "Read variables from this file; those that are set stay",
        placeholder: "file",
        variadic: true,
        optional: true,
      },
      tunnel: {
        kind: "parsed",
        parse: parseTunnel,
        brief: "How it is reached: local, quick, managed",
        placeholder: "mode",
        default: "local",
      },
      register: {
        kind: "boolean",
        brief: "Tell the gateway's registry while it runs, when there is a gateway",
        default: true,
      },
      allow: {
        kind: "parsed",
        parse: parsePermission,
        brief: "What the file may do, as Deno names it (net, env, read): run, write=DIR, all ...",
        placeholder: "permission",
        variadic: true,
        optional: true,
      },
    },
  },
  docs: {
    brief: "Serve a task app from a file",
    fullDescription: [
      "Serves what FILE exports (a configuration, a Hono app, a fetch handler) until SIGINT or SIGTERM,",
      "in a deno of its own. Its callers need the key in ENVIRONMENT_API_KEY, which may come from an",
      "--env-file or from synth setup. With --watch a file that does not load leaves the old app serving.",
      "",
      "EXAMPLES",
      "  synth serve task_app.ts",
      "  synth serve task_app.ts --watch --env-file .env --port 8001",
      "  synth serve task_app.ts --allow net --allow env --allow read --allow write=./traces",
      "  synth serve task_app.ts --tunnel quick --json",
    ].join("\n"),
  },
});

function parsePort(text: string): number {
  const port = Number(text);
  if (/^[0-9]{1,5}$/.test(text) && port <= 65_535) return port;
  throw new Error("a port is a number from 0 to 65535");
}

function parseTunnel(text: string): ServeTunnel {
  const mode = SERVE_TUNNELS.find((one) => one === (text === "named" ? "managed" : text));
  if (mode !== undefined) return mode;
  throw new Error(`write one of ${SERVE_TUNNELS.join(", ")}`);
}

function parsePermission(text: string): string {
  if (PERMISSION.test(text)) return text;
  throw new Error(
    "write net, env, read, write, run, sys, ffi or import, with =VALUE if you like, or all",
  );
}
