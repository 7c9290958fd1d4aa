/** `synth doctor` @module */
import { buildCommand } from "@stricli/core";
import type { CliContext } from "../context.ts";
import type { DoctorFlags } from "./doctor_run.ts";
import { clientFlags } from "./flags.ts";

/** Checks everything that a client needs. */
export const doctorCommand = buildCommand<DoctorFlags, [], CliContext>({
  loader: async () => (await import("./doctor_run.ts")).runDoctor,
  parameters: { flags: clientFlags },
  docs: {
    brief: "Check configuration, gateway, key, models and agents; say how to mend what is wrong",
    fullDescription: "Checks, one line each, with what to do. Exit code 6 when a check fails.\n\n" +
      "EXAMPLES\n  synth doctor\n  synth doctor --json",
  },
});
