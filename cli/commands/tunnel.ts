/** `synth tunnel` @module */
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { ClientFlags } from "../client/connect.ts";
import type { CliContext } from "../context.ts";
import { clientFlags, homeFlag, jsonFlag, optionalFlag } from "./flags.ts";
import type { TunnelCloseFlags } from "./tunnel_close.ts";
import type { TunnelInstallFlags } from "./tunnel_install.ts";
import type { TunnelListFlags } from "./tunnel_list.ts";
import type { TunnelLogsFlags } from "./tunnel_logs.ts";
import type { TunnelOpenFlags } from "./tunnel_open.ts";
import type { TunnelStatusFlags } from "./tunnel_status.ts";

const open = buildCommand<TunnelOpenFlags, [], CliContext>({
  loader: async () => (await import("./tunnel_open.ts")).runTunnelOpen,
  parameters: {
    flags: {
      ...clientFlags,
      port: optionalFlag("Port on which the task app listens on this machine", "port", parsePort),
      url: optionalFlag("Its address instead, http://127.0.0.1:PORT", "url", String),
      file: optionalFlag("The file that synth serve is serving, instead", "file", String),
      mode: {
        kind: "enum",
        values: ["quick", "managed"],
        brief: "quick: a random name, no account; managed: your gateway's, lasting, behind Access",
        default: "quick",
      },
      subdomain: optionalFlag("Which managed tunnel, by its first label", "name", String),
      create: {
        kind: "boolean",
        brief: "Make the managed tunnel of that name when there are only others",
        default: false,
      },
      noWait: {
        kind: "boolean",
        brief: "Do not wait until it answers through the public URL",
        default: false,
      },
      foreground: {
        kind: "boolean",
        brief: "Stay until Ctrl-C or the tunnel's end, and close it then",
        default: false,
      },
      envFile: optionalFlag("Write TASK_APP_URL and CF_ACCESS_* there (.env)", "file", String),
      noEnvFile: { kind: "boolean", brief: "Write them nowhere", default: false },
      timeout: optionalFlag("Seconds for all of it (180)", "s", parseSeconds),
    },
  },
  docs: {
    brief: "Open a tunnel to a task app, in the background",
    fullDescription: [
      "Waits until the task app answers on this machine, starts cloudflared in the background, and",
      "prints the public URL as soon as /health answers through it. The key in ENVIRONMENT_API_KEY",
      "is sent for these checks. synth tunnel close ends the tunnel.",
      "",
      "EXAMPLES",
      "  synth tunnel open --port 8001",
      "  synth tunnel open --file task_app.ts --json",
      "  synth tunnel open --port 8001 --mode managed --subdomain mine",
      "  synth tunnel open --port 8001 --foreground --no-env-file",
    ].join("\n"),
  },
});

const list = buildCommand<TunnelListFlags, [], CliContext>({
  loader: async () => (await import("./tunnel_list.ts")).runTunnelList,
  parameters: { flags: { home: homeFlag, json: jsonFlag } },
  docs: {
    brief: "List tunnels and what became of them",
    fullDescription: "Lists the tunnels of this machine, also those whose program has ended.\n\n" +
      "EXAMPLES\n  synth tunnel list\n  synth tunnel list --json",
  },
});

const tunnelId = {
  kind: "tuple",
  parameters: [{ brief: "Id of the tunnel", parse: String, placeholder: "id" }],
} as const;

const optionalId = {
  kind: "tuple",
  parameters: [{ brief: "Id of the tunnel", parse: String, placeholder: "id", optional: true }],
} as const;

const status = buildCommand<TunnelStatusFlags, [string?], CliContext>({
  loader: async () => (await import("./tunnel_status.ts")).runTunnelStatus,
  parameters: { positional: optionalId, flags: { home: homeFlag, json: jsonFlag } },
  docs: {
    brief: "Check tunnels through their public URLs",
    fullDescription: [
      "Looks at the program, asks it for its connections, and asks /health through the public URL.",
      "Exits with 6 when one of them is not well.",
      "",
      "EXAMPLES",
      "  synth tunnel status",
      "  synth tunnel status svc_... --json",
    ].join("\n"),
  },
});

const close = buildCommand<TunnelCloseFlags, [string?], CliContext>({
  loader: async () => (await import("./tunnel_close.ts")).runTunnelClose,
  parameters: {
    positional: optionalId,
    flags: {
      home: homeFlag,
      json: jsonFlag,
      all: { kind: "boolean", brief: "All tunnels that synth has opened", default: false },
    },
  },
  docs: {
    brief: "End a tunnel by its id",
    fullDescription: [
      "Ends the tunnel's program, which is known by its number and its start, and nothing else.",
      "A managed tunnel stays at the backend and can be opened again.",
      "",
      "EXAMPLES",
      "  synth tunnel close svc_...",
      "  synth tunnel close --all",
    ].join("\n"),
  },
});

const remove = buildCommand<ClientFlags, [string], CliContext>({
  loader: async () => (await import("./tunnel_delete.ts")).runTunnelDelete,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{
        brief: "Its name at the gateway, the name's first label, or its id there",
        parse: String,
        placeholder: "name",
      }],
    },
    flags: clientFlags,
  },
  docs: {
    brief: "Delete a managed tunnel at the gateway",
    fullDescription: [
      "Deletes the name, the access and the credentials of a managed tunnel. synth tunnel close ends",
      "its program here.",
      "",
      "EXAMPLES",
      "  synth tunnel delete mine",
      "  synth tunnel delete mine.tunnels.example --json",
    ].join("\n"),
  },
});

const logs = buildCommand<TunnelLogsFlags, [string], CliContext>({
  loader: async () => (await import("./tunnel_logs.ts")).runTunnelLogs,
  parameters: {
    positional: tunnelId,
    flags: {
      home: homeFlag,
      follow: { kind: "boolean", brief: "Go on until the tunnel ends", default: false },
      lines: optionalFlag("How many of the last lines (100)", "n", parseCount),
    },
  },
  docs: {
    brief: "Show what a tunnel's program has written",
    fullDescription: "Shows the log of cloudflared, secrets masked.\n\nEXAMPLES\n" +
      "  synth tunnel logs svc_...\n  synth tunnel logs svc_... --follow",
  },
});

const install = buildCommand<TunnelInstallFlags, [], CliContext>({
  loader: async () => (await import("./tunnel_install.ts")).runTunnelInstall,
  parameters: {
    flags: {
      home: homeFlag,
      json: jsonFlag,
      sha256: optionalFlag("SHA-256 of what is downloaded", "hex", String),
      checksums: optionalFlag(
        "Who else tells it: github, or a file or URL with a list",
        "source",
        String,
      ),
      release: optionalFlag("Such as 2026.8.0 (latest)", "version", String),
      from: optionalFlag("A file or https URL instead of GitHub's releases", "source", String),
    },
  },
  docs: {
    brief: "Install cloudflared for synth, checked by its SHA-256",
    fullDescription: [
      "Puts cloudflared into bin/ of SYNTH_HOME, where it goes before the one on the PATH. Without a",
      "checksum that somebody vouches for, nothing is downloaded.",
      "",
      "EXAMPLES",
      "  synth tunnel install --checksums github",
      "  synth tunnel install --release 2026.8.0 --sha256 HEX",
      "  synth tunnel install --from ./cloudflared-linux-amd64 --sha256 HEX",
    ].join("\n"),
  },
});

/** The commands about tunnels. */
export const tunnelRoutes = buildRouteMap<string, CliContext>({
  routes: { open, list, status, close, delete: remove, logs, install },
  docs: { brief: "Make a task app reachable from outside by cloudflared" },
});

function parsePort(text: string): number {
  const port = Number(text);
  if (/^[0-9]{1,5}$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw new Error("a port is a number from 1 to 65535");
}

function parseSeconds(text: string): number {
  const value = Number(text);
  if (/^[0-9]{1,5}(?:\.[0-9]{1,3})?$/.test(text) && value > 0 && value <= 3600) return value;
  throw new Error("write seconds, up to 3600");
}

function parseCount(text: string): number {
  if (/^[0-9]{1,6}$/.test(text)) return Number(text);
  throw new Error("write a whole number");
}
