/** `synth status` @module */
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { CliContext } from "../context.ts";
import { parseAmount } from "../output/amounts.ts";
import { clientFlags, optionalFlag } from "./flags.ts";
import type { ShowFlags } from "./session_show.ts";
import type { PricingFlags } from "./status_pricing.ts";
import type { StatusUsageFlags } from "./status_usage.ts";

const session = buildCommand<ShowFlags, [], CliContext>({
  loader: async () => (await import("./session_show.ts")).runSessionShow,
  parameters: {
    flags: {
      ...clientFlags,
      sessionId: optionalFlag("Which one (SYNTH_SESSION_ID; the active one)", "session", String),
    },
  },
  docs: {
    brief: "Show a session, as synth session show does",
    fullDescription: "Shows a session, its limits and what is left.\n\nEXAMPLES\n" +
      "  synth status session\n  synth status session --session-id sess_... --json",
  },
});

const usage = buildCommand<StatusUsageFlags, [], CliContext>({
  loader: async () => (await import("./status_usage.ts")).runStatusUsage,
  parameters: {
    flags: {
      ...clientFlags,
      budgetUsd: optionalFlag("Also what is left of so many USD a week", "usd", parseAmount),
    },
  },
  docs: {
    brief: "Show what your org used in the last day, week and 30 days",
    fullDescription: "Shows what your org used.\n\nEXAMPLES\n  synth status usage\n" +
      "  synth status usage --budget-usd 50 --json",
  },
});

const pricing = buildCommand<PricingFlags, [], CliContext>({
  loader: async () => (await import("./status_pricing.ts")).runStatusPricing,
  parameters: {
    flags: {
      ...clientFlags,
      all: { kind: "boolean", brief: "The whole price book", default: false },
    },
  },
  docs: {
    brief: "Show what the models cost",
    fullDescription: "Shows prices in USD per million tokens.\n\nEXAMPLES\n" +
      "  synth status pricing\n  synth status pricing --all",
  },
});

/** The commands that show how things stand. */
export const statusRoutes = buildRouteMap<string, CliContext>({
  routes: { session, usage, pricing },
  docs: { brief: "Show a session, usage, prices" },
});
