/** Runs one command and gives its exit code. @module */
import {
  type ApplicationText,
  ArgumentScannerError,
  buildApplication,
  buildRouteMap,
  formatMessageForArgumentScannerError,
  proposeCompletions,
  run,
  text_en,
} from "@stricli/core";
import { EXIT, SynthError } from "@synth/core";
import { codexCommand, opencodeCommand } from "./commands/agents.ts";
import { balanceCommand } from "./commands/balance.ts";
import { completionsCommand } from "./commands/complete.ts";
import { configRoutes } from "./commands/config.ts";
import { deployRoutes } from "./commands/deploy.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { keysRoutes } from "./commands/keys.ts";
import { scanCommand } from "./commands/scan.ts";
import { serveCommand } from "./commands/serve.ts";
import { sessionRoutes } from "./commands/session.ts";
import { setupCommand } from "./commands/setup.ts";
import { stateRoutes } from "./commands/state.ts";
import { statusRoutes } from "./commands/status.ts";
import { tunnelRoutes } from "./commands/tunnel.ts";
import { upCommand } from "./commands/up.ts";
import { versionCommand } from "./commands/version.ts";
import type { CliContext } from "./context.ts";

const root = buildRouteMap<string, CliContext>({
  routes: {
    up: upCommand,
    codex: codexCommand,
    opencode: opencodeCommand,
    serve: serveCommand,
    deploy: deployRoutes,
    scan: scanCommand,
    tunnel: tunnelRoutes,
    session: sessionRoutes,
    status: statusRoutes,
    balance: balanceCommand,
    keys: keysRoutes,
    config: configRoutes,
    setup: setupCommand,
    state: stateRoutes,
    doctor: doctorCommand,
    completions: completionsCommand,
    version: versionCommand,
  },
  docs: {
    brief: "An edge gateway for coding agents, with a hard limit on what a session can spend",
    fullDescription: [
      "An edge gateway for coding agents, with a hard limit on what a session can spend.",
      "",
      "EXAMPLES",
      "  synth up                        start the gateway on 127.0.0.1:8787",
      "  synth codex --limit-cost-usd 1  start Codex with at most a dollar",
      "  synth session watch             see the limits of a session fill",
      "  synth config init               write a configuration to fill in",
      "  synth config show --origin      show every setting and where it comes from",
      "",
      "Data goes to stdout, messages to stderr. Exit codes: 0 ok, 1 failed, 2 usage, 3 not found,",
      "4 auth, 5 budget, 6 checks failed, 69 unavailable, 75 temporary, 127 missing program,",
      "130 interrupted.",
    ].join("\n"),
  },
});

/** Runs `synth ARGS`. Never rejects. */
export async function runCli(args: readonly string[], context: CliContext): Promise<number> {
  const app = buildApplication(root, {
    name: context.name,
    scanner: { caseStyle: "allow-kebab-for-camel", allowArgumentEscapeSequence: true },
    documentation: { onlyRequiredInUsageLine: true },
    localization: { text: messages(context) },
    determineExitCode: exitCodeOf,
  });
  if (args[0] === "__complete") {
    // The scripts of `synth completions` ask this.
    for (const { completion, brief } of await proposeCompletions(app, args.slice(1), context)) {
      context.process.stdout.write(`${completion}\t${brief}\n`);
    }
    return EXIT.ok;
  }
  const inputs = args[0] === "--version" ? ["version", ...args.slice(1)] : args;
  context.process.exitCode = null;
  await run(app, inputs, context);
  return mapExitCode(context.process.exitCode);
}

/** The library has codes of its own, below zero: a wrong command or argument is wrong usage, the rest a failure. */
function mapExitCode(code: number | string | null | undefined): number {
  const value = Number(code ?? 0);
  if (value === -5 || value === -4) return EXIT.usage;
  return value < 0 ? EXIT.failed : value;
}

function exitCodeOf(error: unknown): number {
  return error instanceof SynthError ? error.exitCode : EXIT.failed;
}

function messages(context: CliContext): ApplicationText {
  return {
    ...text_en,
    exceptionWhileParsingArguments: (error) =>
      error instanceof ArgumentScannerError
        ? `error: ${scannerMessage(error)} [usage]\n  See ${context.name} --help`
        : failure(error),
    exceptionWhileLoadingCommandFunction: failure,
    exceptionWhileLoadingCommandContext: failure,
    exceptionWhileRunningCommand: failure,
    commandErrorResult: failure,
    noCommandRegisteredForInput: ({ input, corrections }) => {
      const near = corrections.length === 0
        ? `See ${context.name} --help`
        : `Did you mean ${corrections.map((word) => word.replaceAll("`", '"')).join(" or ")}?`;
      return `error: There is no command ${JSON.stringify(input)} [usage]\n  ${near}`;
    },
  };
}

function scannerMessage(error: ArgumentScannerError): string {
  return formatMessageForArgumentScannerError(error, {
    FlagNotFoundError: ({ input, corrections }) => {
      const near = corrections.map((word) => `--${word.replace(/^--/, "")}`).join(" or ");
      return `There is no flag --${input}${near === "" ? "" : `; did you mean ${near}?`}`;
    },
    ArgumentParseError: ({ externalFlagNameOrPlaceholder: name, input, exception }) =>
      `Cannot read ${JSON.stringify(input)} as ${name}: ${
        exception instanceof Error ? exception.message : String(exception)
      }`,
  });
}

function failure(error: unknown): string {
  if (error instanceof SynthError) return error.toCliMessage();
  return `error: ${error instanceof Error ? error.message : String(error)} [internal]`;
}
