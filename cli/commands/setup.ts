/** `synth setup` @module */
import { buildCommand } from "@stricli/core";
import type { CliContext } from "../context.ts";
import { homeFlag, jsonFlag, optionalFlag } from "./flags.ts";
import type { SetupFlags } from "./setup_run.ts";

/** Gets keys. */
export const setupCommand = buildCommand<SetupFlags, [], CliContext>({
  loader: async () => (await import("./setup_run.ts")).runSetup,
  parameters: {
    flags: {
      home: homeFlag,
      json: jsonFlag,
      local: { kind: "boolean", brief: "Make the keys here, for this machine", default: false },
      backend: optionalFlag("Who gives the keys (SYNTH_CANONICAL_ORIGIN)", "url", String),
      browser: { kind: "boolean", brief: "Open the page to confirm on", default: true },
    },
  },
  docs: {
    brief: "Get the keys that clients and task apps send",
    fullDescription: [
      "Gets SYNTH_API_KEY and ENVIRONMENT_API_KEY and keeps them in SYNTH_HOME, readable by you alone.",
      "With --local they are made on this machine. Else a backend gives them, once you have confirmed",
      "in a browser. Where no backend does, you are asked at the terminal for the keys that you have",
      "for your gateway (BACKEND_BASE_URL). Keys are sent to the address that they are for only.",
      "",
      "EXAMPLES",
      "  synth setup --local",
      "  synth setup --backend https://synth.example.com",
    ].join("\n"),
  },
});
