// deno-lint-ignore-file no-console -- it talks to a terminal
/** The command line of both examples: a running task app, seeds, a table or JSON, an exit code. @module */
import { parseArgs } from "node:util";
import { EXIT, SynthError } from "@synth/core";
import { checkTaskAppHealth, type RolloutRequestInput, TaskAppClient } from "@synth/task-app";
import { evaluate, tableOf } from "./evaluation.ts";

/** What differs between the examples. */
export interface ExampleCommand {
  /** Names the script in `--help`. */
  readonly script: string;
  /** Members of `env.config` that can be given, with what they are. */
  readonly envOptions: { readonly [name: string]: string };
}

const OPTIONS = {
  url: { type: "string" },
  seeds: { type: "string", default: "0:10" },
  concurrency: { type: "string", default: "4" },
  model: { type: "string" },
  "inference-url": { type: "string" },
  "output-mode": { type: "string", default: "tool_calls" },
  mode: { type: "string", default: "rl" },
  "min-score": { type: "string" },
  wait: { type: "string", default: "30" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

const HELP = `
  --url URL             the task app (TASK_APP_URL, else http://127.0.0.1:8001)
  --seeds LIST          such as 0:10 (without 10) or 1,5,7 (0:10)
  --concurrency N       rollouts at the same time (4)
  --model NAME          the model (the task app's own)
  --inference-url URL   where the model is (the task app's INFERENCE_URL)
  --output-mode MODE    tool_calls, structured or text (tool_calls)
  --mode MODE           rl: URLs get a correlation id, answers must keep the RL rules; or eval (rl)
  --min-score X         a mean below it is exit code 6
  --wait SECONDS        for the task app to come up (30)
  --json                one JSON document on stdout

ENVIRONMENT_API_KEY is the task app's key.`;

type Values = ReturnType<typeof read>["values"];

/**
 * Runs it.
 *
 * @param apiKey the task app's key. @default {ENVIRONMENT_API_KEY}
 * @returns the exit code
 */
export async function runCommand(
  command: ExampleCommand,
  args: string[],
  apiKey?: string,
): Promise<number> {
  try {
    return await run(command, args, apiKey ?? Deno.env.get("ENVIRONMENT_API_KEY"));
  } catch (error) {
    if (!(error instanceof SynthError)) throw error;
    console.error(error.toCliMessage());
    return error.exitCode;
  }
}

async function run(
  command: ExampleCommand,
  args: string[],
  apiKey: string | undefined,
): Promise<number> {
  const { values, env } = read(command, args);
  if (values.help) {
    const more = Object.entries(command.envOptions)
      .map(([name, text]) => `  ${`--${name}`.padEnd(21)} ${text}\n`);
    console.log(
      `USAGE: ${command.script}\n${HELP.replace("  --min-score", more + "  --min-score")}`,
    );
    return EXIT.ok;
  }
  const seeds = seedsOf(values.seeds);
  const concurrency = wholeNumber("concurrency", values.concurrency, 1, 256);
  const minScore = values["min-score"] === undefined
    ? undefined
    : decimal("min-score", values["min-score"]);
  const stop = new AbortController();
  const interrupt = (): void => stop.abort();
  Deno.addSignalListener("SIGINT", interrupt);
  try {
    const url = values.url ?? (Deno.env.get("TASK_APP_URL") || "http://127.0.0.1:8001");
    const client = new TaskAppClient({ baseUrl: url, apiKey });
    await waitFor(client.baseUrl, apiKey, decimal("wait", values.wait), stop.signal);
    const run = crypto.randomUUID().slice(0, 8);
    const evaluation = await evaluate({
      client,
      seeds,
      concurrency,
      minScore,
      request: (seed) => requestOf(values, env, run, seed),
      signal: stop.signal,
      onResult: ({ seed, reward, error }) => {
        const how = error === null ? reward?.toFixed(3) : `${error.message} [${error.code}]`;
        console.error(`seed ${seed}: ${how}`);
      },
    });
    console.log(
      values.json
        ? JSON.stringify({ run, url: client.baseUrl, ...evaluation })
        : tableOf(evaluation),
    );
    return evaluation.exit_code;
  } catch (error) {
    if (stop.signal.aborted) return EXIT.interrupted;
    throw error;
  } finally {
    Deno.removeSignalListener("SIGINT", interrupt);
  }
}

function read(command: ExampleCommand, args: string[]) {
  const more = Object.fromEntries(
    Object.keys(command.envOptions).map((name) => [name, { type: "string" as const }]),
  );
  try {
    const { values } = parseArgs({ args, options: { ...more, ...OPTIONS }, strict: true });
    const all: { [name: string]: unknown } = values;
    const env = Object.keys(command.envOptions).filter((name) => all[name] !== undefined)
      .map((name) => [name, all[name]] as const);
    return { values, env: Object.fromEntries(env) };
  } catch (error) {
    throw usage(error instanceof Error ? error.message : String(error));
  }
}

function requestOf(
  values: Values,
  env: { [name: string]: unknown },
  run: string,
  seed: number,
): RolloutRequestInput {
  const { mode } = values;
  if (mode !== "rl" && mode !== "eval") throw usage("--mode is rl or eval");
  const output = values["output-mode"];
  if (output !== "tool_calls" && output !== "structured" && output !== "text") {
    throw usage("--output-mode is tool_calls, structured or text");
  }
  const id = `trace_${run}-${seed}`;
  const url = values["inference-url"];
  return {
    run_id: `${run}-${seed}`,
    trace_correlation_id: id,
    env: { seed, config: env },
    policy: {
      output_mode: output,
      config: {
        ...(values.model === undefined ? {} : { model: values.model }),
        ...(url === undefined ? {} : { inference_url: mode === "rl" ? withCid(url, id) : url }),
      },
    },
    mode,
  };
}

function withCid(url: string, id: string): string {
  if (!URL.canParse(url)) throw usage("--inference-url is no URL");
  const marked = new URL(url);
  marked.searchParams.set("cid", id);
  return marked.href;
}

/** Waits until the task app answers at all. @throws {SynthError} exit code 4 for a wrong key, 69 when it never answers */
async function waitFor(
  url: string,
  apiKey: string | undefined,
  seconds: number,
  signal: AbortSignal,
): Promise<void> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const { status } = await checkTaskAppHealth(url, { apiKey, signal, info: false });
    if (status === "healthy" || status === "degraded") return;
    if (status === "unauthorized") {
      throw new SynthError(`The task app at ${url} does not take this key`, {
        code: "unauthorised",
        exitCode: EXIT.auth,
        hint: "Set ENVIRONMENT_API_KEY to the one that it was started with",
      });
    }
    signal.throwIfAborted();
    if (performance.now() > end) {
      throw new SynthError(`The task app at ${url} is ${status}`, {
        code: "task_app_unavailable",
        exitCode: EXIT.unavailable,
        hint: "Start it with synth serve, or name another with --url",
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** `3`, `1,5,7`, `0:10` (without 10), and lists of them. */
export function seedsOf(text: string): number[] {
  const seeds = text.split(",").flatMap((part) => {
    const [, from = "", to = from] = /^\s*(\d{1,15})(?::(\d{1,15}))?\s*$/.exec(part) ?? [];
    if (from === "") throw usage("--seeds is a list such as 0:10 or 1,5,7");
    const first = Number(from);
    const length = part.includes(":") ? Number(to) - first : 1;
    if (length < 1 || length > 100_000) throw usage("--seeds has 1 to 100000 seeds, lowest first");
    return Array.from({ length }, (_, index) => first + index);
  });
  return [...new Set(seeds)];
}

function wholeNumber(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d{1,6}$/.test(text) && value >= min && value <= max) return value;
  throw usage(`--${name} is a number from ${min} to ${max}`);
}

function decimal(name: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value >= 0) return value;
  throw usage(`--${name} is a number of at least 0`);
}

function usage(message: string): SynthError {
  return new SynthError(message, {
    code: "invalid_usage",
    status: 400,
    exitCode: EXIT.usage,
    hint: "--help lists all options",
  });
}
