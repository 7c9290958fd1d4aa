/** `synth up` @module */
import { buildCommand } from "@stricli/core";
import type { CliContext } from "../context.ts";
import { configFlag, homeFlag, jsonFlag } from "./flags.ts";
import type { UpFlags } from "./up_run.ts";

/** Starts the gateway. */
export const upCommand = buildCommand<UpFlags, [], CliContext>({
  loader: async () => (await import("./up_run.ts")).runUp,
  parameters: {
    flags: {
      config: configFlag,
      home: homeFlag,
      json: jsonFlag,
      host: {
        kind: "parsed",
        parse: String,
        brief: "Address to listen on (SYNTH_HOST; 127.0.0.1)",
        placeholder: "address",
        optional: true,
      },
      port: {
        kind: "parsed",
        parse: parsePort,
        brief: "Port to listen on, 0 picks one (SYNTH_PORT; 8787)",
        placeholder: "port",
        optional: true,
      },
    },
  },
  docs: {
    brief: "Start the gateway",
    fullDescription: [
      "Starts the gateway. Works without any configuration: the built-in model synth-demo answers.",
      "The first start makes an API key and prints it once; with SYNTH_API_KEY that one is accepted",
      "instead. SIGINT and SIGTERM let open streams finish; SIGHUP reads the configuration again.",
      "",
      "EXAMPLES",
      "  synth up",
      "  synth up --port 0 --json",
      "  SYNTH_API_KEY=... synth up --config ./synth.toml",
    ].join("\n"),
  },
});

function parsePort(text: string): number {
  const port = Number(text);
  if (/^[0-9]{1,5}$/.test(text) && port <= 65_535) return port;
  throw new Error("a port is a number from 0 to 65535");
}
