/** `synth balance` @module */
import { buildCommand } from "@stricli/core";
import type { CliContext } from "../context.ts";
import type { BalanceFlags } from "./balance_run.ts";
import { clientFlags } from "./flags.ts";

/** Shows what is left of the key and the org. */
export const balanceCommand = buildCommand<BalanceFlags, [], CliContext>({
  loader: async () => (await import("./balance_run.ts")).runBalance,
  parameters: {
    flags: {
      ...clientFlags,
      usage: { kind: "boolean", brief: "Also what was used in 24 hours and 7 days", default: true },
    },
  },
  docs: {
    brief: "Show the limits of your key and org, and what is left of them",
    fullDescription: "Shows limits above sessions.\n\nEXAMPLES\n  synth balance\n" +
      "  synth balance --no-usage --json",
  },
});
