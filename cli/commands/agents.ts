/** `synth codex` and `synth opencode` @module */
import { buildCommand, type Command } from "@stricli/core";
import { limitFlags } from "../client/limit_flags.ts";
import type { CliContext } from "../context.ts";
import type { LaunchFlags } from "../launch/launch.ts";
import { parseDuration } from "../output/amounts.ts";
import { clientFlags, optionalFlag } from "./flags.ts";

type Run = (this: CliContext, flags: LaunchFlags, ...args: string[]) => Promise<void>;

/** Starts Codex under a budget. */
export const codexCommand: Command<CliContext> = launcher(
  "codex",
  "Codex",
  async () => (await import("./codex_run.ts")).runCodex,
);

/** Starts opencode under a budget. */
export const opencodeCommand: Command<CliContext> = launcher(
  "opencode",
  "opencode",
  async () => (await import("./opencode_run.ts")).runOpencode,
);

function launcher(name: string, title: string, loader: () => Promise<Run>): Command<CliContext> {
  return buildCommand<LaunchFlags, string[], CliContext>({
    loader,
    parameters: {
      flags: {
        ...clientFlags,
        ...limitFlags,
        model: optionalFlag("The model to begin with", "name", String),
        url: optionalFlag("Address of the gateway, as --base-url", "url", String),
        dryRun: {
          kind: "boolean",
          brief: "Show what would be run, as JSON, and start nothing",
          default: false,
        },
        reuseSession: optionalFlag("Use this session; it goes on afterwards", "session", String),
        idle: optionalFlag(
          "The session ends so long after a launcher that was killed (1h)",
          "time",
          parseDuration,
        ),
        inferOnly: {
          kind: "boolean",
          brief: `Give ${title} a key of its own, which can raise no limit (needs scope admin)`,
          default: false,
        },
        catalog: {
          kind: "boolean",
          brief: `Describe the gateway's models to ${title}`,
          default: true,
        },
      },
      positional: {
        kind: "array",
        parameter: { brief: `Arguments for ${title}`, parse: String, placeholder: "args" },
      },
    },
    docs: {
      brief: `Start ${title} with a session of its own, a hard limit on what it can spend`,
      fullDescription: [
        `Starts ${title} on the gateway. All its requests belong to one session, whose limits come from`,
        `flags, --config, ${name}.toml or [session] of synth.toml; the cost limit is $20 by default, and 0`,
        `is zero. The session ends with ${title}; what was spent is told on stderr, and the exit code is`,
        `${title}'s. ${title}'s own files stay as they are. What stands behind -- goes to ${title}.`,
        "",
        "EXAMPLES",
        `  synth ${name} --limit-cost-usd 1`,
        name === "codex"
          ? `  synth codex --model synth-small -- exec "fix the failing test"`
          : `  synth opencode --model synth-small -- run "fix the failing test"`,
        `  synth ${name} --dry-run`,
      ].join("\n"),
    },
  });
}
