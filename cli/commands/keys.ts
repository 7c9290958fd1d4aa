/** `synth keys` @module */
import { buildCommand, buildRouteMap } from "@stricli/core";
import { limitFlags } from "../client/limit_flags.ts";
import type { ClientFlags } from "../client/connect.ts";
import type { CliContext } from "../context.ts";
import { parseDuration, parsePageSize } from "../output/amounts.ts";
import { clientFlags, optionalFlag } from "./flags.ts";
import type { KeyCreateFlags } from "./keys_create.ts";
import type { KeyListFlags } from "./keys_list.ts";
import type { KeyRotateFlags } from "./keys_rotate.ts";

const keyId = {
  kind: "tuple",
  parameters: [{ brief: "Id of the key", parse: String, placeholder: "key" }],
} as const;

const output = optionalFlag("Write the key to this new file (0600), not to stdout", "file", String);

const create = buildCommand<KeyCreateFlags, [], CliContext>({
  loader: async () => (await import("./keys_create.ts")).runKeysCreate,
  parameters: {
    flags: {
      ...clientFlags,
      ...limitFlags,
      name: optionalFlag("For people", "text", String),
      user: optionalFlag("Whom it speaks for (you)", "user", String),
      scopes: optionalFlag("What it may do (infer,sessions)", "list", parseScopes),
      expires: optionalFlag("Ends after 12h, 30d", "time", parseDuration),
      requestsPerMinute: optionalFlag("Requests a minute (the gateway's)", "n", parseCount),
      maxStreams: optionalFlag("Streams at the same time (the gateway's)", "n", parseCount),
      output,
    },
  },
  docs: {
    brief: "Make a key; its text is shown this once",
    fullDescription: [
      "Makes a key. Its limits hold for all its sessions together. Needs a key with the scope admin.",
      "",
      "EXAMPLES",
      "  synth keys create --name ci --scopes infer,sessions --limit-cost-usd 20 --window 1d",
      "  synth keys create --name alice --user alice --output alice.key",
      "  synth keys create --name bot --requests-per-minute 60 --max-streams 4",
    ].join("\n"),
  },
});

const list = buildCommand<KeyListFlags, [], CliContext>({
  loader: async () => (await import("./keys_list.ts")).runKeysList,
  parameters: {
    flags: { ...clientFlags, limit: optionalFlag("At most so many (100)", "n", parsePageSize) },
  },
  docs: {
    brief: "List keys, without their text",
    fullDescription: "Lists the keys of your org.\n\nEXAMPLES\n  synth keys list\n" +
      "  synth keys list --json",
  },
});

const rotate = buildCommand<KeyRotateFlags, [string], CliContext>({
  loader: async () => (await import("./keys_rotate.ts")).runKeysRotate,
  parameters: {
    flags: {
      ...clientFlags,
      grace: optionalFlag("The old one still works for 30m, 24h (0)", "time", parseDuration),
      output,
    },
    positional: keyId,
  },
  docs: {
    brief: "Put a new key in the place of one",
    fullDescription: "Makes a new text for a key; id, scopes and limits stay.\n\nEXAMPLES\n" +
      "  synth keys rotate key_... --grace 1h\n  synth keys rotate key_... --output new.key",
  },
});

const revoke = buildCommand<ClientFlags, [string], CliContext>({
  loader: async () => (await import("./keys_revoke.ts")).runKeysRevoke,
  parameters: { flags: clientFlags, positional: keyId },
  docs: {
    brief: "End a key, here at once and everywhere within 30 seconds",
    fullDescription: "Ends a key for good.\n\nEXAMPLES\n  synth keys revoke key_...",
  },
});

/** The commands about keys. */
export const keysRoutes = buildRouteMap<string, CliContext>({
  routes: { create, list, rotate, revoke },
  docs: { brief: "Make, list, rotate and revoke API keys" },
});

const SCOPES = ["infer", "sessions", "queue", "queue:command", "admin"] as const;

function parseCount(text: string): number {
  if (/^[0-9]{1,7}$/.test(text)) return Number(text);
  throw new Error("write a whole number, 0 or more");
}

function parseScopes(text: string): (typeof SCOPES)[number][] {
  return text.split(",").map((word) => {
    const scope = SCOPES.find((one) => one === word.trim());
    if (scope !== undefined) return scope;
    throw new Error(`write some of ${SCOPES.join(",")}`);
  });
}
