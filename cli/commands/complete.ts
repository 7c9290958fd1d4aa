/** `synth completions` and the hidden `synth __complete` that its scripts ask. @module */
import { buildCommand, type Command } from "@stricli/core";
import type { CliContext } from "../context.ts";

/** Shells that we have a script for. */
export const SHELLS = ["bash", "zsh", "fish", "powershell"] as const;

/** One of {@linkcode SHELLS}. */
export type Shell = (typeof SHELLS)[number];

/** Prints a shell's script. */
export const completionsCommand: Command<CliContext> = buildCommand<
  Record<never, never>,
  [Shell],
  CliContext
>({
  loader: async () => (await import("./completions_run.ts")).runCompletions,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{
        brief: SHELLS.join(", "),
        parse: parseShell,
        placeholder: "shell",
      }],
    },
  },
  docs: {
    brief: "Print a script that completes commands and flags",
    fullDescription: [
      "Prints a completion script for bash, zsh, fish or powershell.",
      "",
      "EXAMPLES",
      '  bash        eval "$(synth completions bash)", in ~/.bashrc',
      '  zsh         eval "$(synth completions zsh)", in ~/.zshrc behind compinit',
      "  fish        synth completions fish > ~/.config/fish/completions/synth.fish",
      "  powershell  synth completions powershell | Out-String | Invoke-Expression, in $PROFILE",
    ].join("\n"),
  },
});

function parseShell(text: string): Shell {
  const name = text === "pwsh" ? "powershell" : text;
  const shell = SHELLS.find((one) => one === name);
  if (shell !== undefined) return shell;
  throw new Error(`write one of ${SHELLS.join(", ")}`);
}
