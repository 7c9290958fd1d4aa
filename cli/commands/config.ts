/** `synth config` @module */
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { CliContext } from "../context.ts";
import { configFlag, homeFlag, jsonFlag } from "./flags.ts";
import type { InitFlags } from "./config_init.ts";
import type { ShowFlags } from "./config_show.ts";
import type { TrustFlags } from "./config_trust.ts";

const init = buildCommand<InitFlags, [], CliContext>({
  loader: async () => (await import("./config_init.ts")).runConfigInit,
  parameters: {
    flags: {
      home: homeFlag,
      json: jsonFlag,
      stdout: { kind: "boolean", brief: "Print the text instead of writing it", default: false },
    },
  },
  docs: {
    brief: "Write a configuration to fill in",
    fullDescription:
      "Writes synth.toml into your configuration directory (SYNTH_HOME when that is " +
      "set). An existing file stays as it is.\n\nEXAMPLES\n  synth config init\n" +
      "  synth config init --stdout > synth.toml",
  },
});

const show = buildCommand<ShowFlags, [], CliContext>({
  loader: async () => (await import("./config_show.ts")).runConfigShow,
  parameters: {
    flags: {
      config: configFlag,
      home: homeFlag,
      json: jsonFlag,
      origin: { kind: "boolean", brief: "Say where each value comes from", default: false },
    },
  },
  docs: {
    brief: "Show every setting, secrets masked",
    fullDescription: "Shows every setting in force; values of headers are masked.\n\nEXAMPLES\n" +
      "  synth config show --origin\n  synth config show --json --config ./synth.toml",
  },
});

const trust = buildCommand<TrustFlags, [string?], CliContext>({
  loader: async () => (await import("./config_trust.ts")).runConfigTrust,
  parameters: {
    flags: {
      home: homeFlag,
      json: jsonFlag,
      remove: { kind: "boolean", brief: "Withdraw the trust", default: false },
    },
    positional: {
      kind: "tuple",
      parameters: [{
        brief: "The file; absent: the synth.toml of this project",
        parse: String,
        placeholder: "path",
        optional: true,
      }],
    },
  },
  docs: {
    brief: "Let a project's synth.toml decide where secrets and money go",
    fullDescription:
      "Remembers the file's content: after any change you are asked again. Read the " +
      "file first.\n\nEXAMPLES\n  synth config trust\n  synth config trust ./synth.toml --remove",
  },
});

/** The commands about the configuration. */
export const configRoutes = buildRouteMap<string, CliContext>({
  routes: { init, show, trust },
  docs: { brief: "Write, show and trust configuration files" },
});
