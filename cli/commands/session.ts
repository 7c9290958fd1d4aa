/** `synth session` @module */
import { buildCommand, buildRouteMap } from "@stricli/core";
import { limitFlags } from "../client/limit_flags.ts";
import type { CliContext } from "../context.ts";
import { parseAmount, parseCount, parseDuration, parsePageSize } from "../output/amounts.ts";
import { clientFlags, optionalFlag } from "./flags.ts";
import type { CreateFlags } from "./session_create.ts";
import type { EndFlags } from "./session_end.ts";
import type { ListFlags } from "./session_list.ts";
import type { RaiseFlags } from "./session_raise.ts";
import type { ClientFlags } from "../client/connect.ts";
import type { UsageFlags } from "./session_usage.ts";
import type { WatchFlags } from "./session_watch.ts";

const sessionId = {
  kind: "tuple",
  parameters: [{
    brief: "The session; absent: SYNTH_SESSION_ID, else the active one",
    parse: String,
    placeholder: "session",
    optional: true,
  }],
} as const;

const create = buildCommand<CreateFlags, [], CliContext>({
  loader: async () => (await import("./session_create.ts")).runSessionCreate,
  parameters: {
    flags: {
      ...clientFlags,
      ...limitFlags,
      unlimited: { kind: "boolean", brief: "No limits at all", default: false },
      ttl: optionalFlag("Ends after 30m, 24h, 7d", "time", parseDuration),
      idle: optionalFlag("Ends after so long without a request", "time", parseDuration),
      type: optionalFlag("What it is for (api_call)", "word", String),
      onLimit: {
        kind: "enum",
        values: ["auto", "error", "message"],
        brief: "How requests are refused (auto)",
        optional: true,
      },
      makeActive: {
        kind: "boolean",
        brief: "Requests without a session id belong to it; the one before ends",
        default: true,
      },
      id: optionalFlag(
        "Its id, made by you: sending it twice makes one session",
        "session",
        String,
      ),
    },
  },
  docs: {
    brief: "Open a session with limits",
    fullDescription: [
      "Opens a session and prints its id. Without limits it gets the gateway's default.",
      "",
      "EXAMPLES",
      "  synth session create --limit-cost-usd 1",
      "  synth session create --limit-tokens 100000 --window 1h --no-make-active",
      "  export SYNTH_SESSION_ID=$(synth session create --limit-cost-usd 0.50)",
    ].join("\n"),
  },
});

const list = buildCommand<ListFlags, [], CliContext>({
  loader: async () => (await import("./session_list.ts")).runSessionList,
  parameters: {
    flags: {
      ...clientFlags,
      status: {
        kind: "enum",
        values: ["active", "ended", "limit_exceeded", "expired"],
        brief: "Only these",
        optional: true,
      },
      limit: optionalFlag("At most so many (20)", "n", parsePageSize),
      offset: optionalFlag("Skip so many", "n", parsePageSize),
    },
  },
  docs: {
    brief: "List sessions, newest first",
    fullDescription:
      "Lists the sessions of your org, newest first.\n\nEXAMPLES\n  synth session list\n" +
      "  synth session list --status limit_exceeded --json",
  },
});

const show = buildCommand<ClientFlags, [string?], CliContext>({
  loader: async () => (await import("./session_show.ts")).runSessionShow,
  parameters: { flags: clientFlags, positional: sessionId },
  docs: {
    brief: "Show a session, its limits and what is left",
    fullDescription: "Shows a session.\n\nEXAMPLES\n  synth session show\n" +
      "  synth session show sess_... --json",
  },
});

const usage = buildCommand<UsageFlags, [string?], CliContext>({
  loader: async () => (await import("./session_usage.ts")).runSessionUsage,
  parameters: {
    flags: {
      ...clientFlags,
      limit: optionalFlag("At most so many (20)", "n", parsePageSize),
      offset: optionalFlag("Skip so many", "n", parsePageSize),
    },
    positional: sessionId,
  },
  docs: {
    brief: "List what a session was charged for",
    fullDescription: "Lists what was charged, newest first.\n\nEXAMPLES\n  synth session usage\n" +
      "  synth session usage sess_... --limit 100 --json",
  },
});

const raise = buildCommand<RaiseFlags, [string?], CliContext>({
  loader: async () => (await import("./session_raise.ts")).runSessionRaise,
  parameters: {
    flags: {
      ...clientFlags,
      costUsd: optionalFlag("So many USD more", "usd", parseAmount),
      tokens: optionalFlag("So many tokens more", "n", parseCount),
      gpuHours: optionalFlag("So many GPU hours more", "hours", parseAmount),
      apiCalls: optionalFlag("So many API calls more", "n", parseCount),
      limitId: optionalFlag("Which limit, when several count the same", "id", String),
    },
    positional: sessionId,
  },
  docs: {
    brief: "Raise a limit",
    fullDescription: "Raises one limit of a session.\n\nEXAMPLES\n" +
      "  synth session raise --cost-usd 5\n  synth session raise sess_... --tokens 50000",
  },
});

const end = buildCommand<EndFlags, [string?], CliContext>({
  loader: async () => (await import("./session_end.ts")).runSessionEnd,
  parameters: { flags: clientFlags, positional: sessionId },
  docs: {
    brief: "End a session: its requests are refused from now on",
    fullDescription: "Ends a session.\n\nEXAMPLES\n  synth session end\n" +
      "  synth session end sess_...",
  },
});

const watch = buildCommand<WatchFlags, [string?], CliContext>({
  loader: async () => (await import("./session_watch.ts")).runSessionWatch,
  parameters: {
    flags: {
      ...clientFlags,
      interval: optionalFlag("Look every so often (1s)", "time", parseDuration),
      once: { kind: "boolean", brief: "Look once", default: false },
    },
    positional: sessionId,
  },
  docs: {
    brief: "Watch a session's limits fill",
    fullDescription: [
      "Draws a bar for each limit until the session is over or Ctrl-C. Off a terminal, and with",
      "--json, it prints one JSON object a line, whenever something has changed.",
      "",
      "EXAMPLES",
      "  synth session watch",
      "  synth session watch sess_... --interval 5s | jq .current_usage.cost_usd",
    ].join("\n"),
  },
});

/** The commands about sessions. */
export const sessionRoutes = buildRouteMap<string, CliContext>({
  routes: { create, list, show, usage, raise, end, watch },
  docs: { brief: "Open, watch, raise and end sessions" },
});
