/** Rolls a task app out over seeds, and says how it did. @module */
import { EXIT, SynthError } from "@synth/core";
import type { RolloutRequestInput, RolloutResponse, TaskAppClient } from "@synth/task-app";

/** How one seed went. */
export interface SeedResult {
  readonly seed: number;
  readonly reward: number | null;
  readonly outcome: number | null;
  readonly events: number | null;
  readonly steps: number;
  readonly tokens: number;
  readonly ms: number;
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** What {@linkcode evaluate} gives. */
export interface Evaluation {
  /** In the order of the seeds; those that were not begun are left out. */
  readonly results: readonly SeedResult[];
  readonly failed: number;
  readonly skipped: number;
  /** Of the rollouts that ended well; `null` when none did. */
  readonly mean_return: number | null;
  /** The command's. */
  readonly exit_code: number;
}

/** What is rolled out. */
export interface EvaluationOptions {
  readonly client: Pick<TaskAppClient, "rollout">;
  readonly seeds: readonly number[];
  /** Rollouts at the same time. */
  readonly concurrency: number;
  readonly request: (seed: number) => RolloutRequestInput;
  /** A mean below it is exit code 6. */
  readonly minScore?: number | undefined;
  readonly signal?: AbortSignal;
  readonly onResult?: (result: SeedResult) => void;
}

/** Errors that every further seed would meet as well. */
const HOPELESS: ReadonlyMap<string, number> = new Map([
  ["unauthorised", EXIT.auth],
  ["inference_unauthorized", EXIT.auth],
  ["inference_budget_exceeded", EXIT.budget],
]);

/** Rolls out each seed once. A rollout that fails is a result, not a score of 0: the model did not lose it. */
export async function evaluate(options: EvaluationOptions): Promise<Evaluation> {
  const { seeds, signal, onResult, minScore } = options;
  const results = new Map<number, SeedResult>();
  let next = 0;
  let firstError: unknown = null;
  let hopeless = false;
  const work = async (): Promise<void> => {
    while (next < seeds.length && !hopeless && signal?.aborted !== true) {
      const at = next++;
      const [result, error] = await one(seeds[at] ?? 0, options);
      if (signal?.aborted) return;
      firstError ??= error;
      hopeless ||= error instanceof SynthError && HOPELESS.has(error.code);
      results.set(at, result);
      onResult?.(result);
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.concurrency, seeds.length) }, work));
  const list = [...results].sort(([a], [b]) => a - b).map(([, result]) => result);
  const mean = meanOf(list.map(({ reward }) => reward));
  return {
    results: list,
    failed: list.filter(({ error }) => error !== null).length,
    skipped: seeds.length - list.length,
    mean_return: mean,
    exit_code: signal?.aborted ? EXIT.interrupted : exitCode(firstError, mean, minScore),
  };
}

/** A table for people. */
export function tableOf({ results, failed, skipped, mean_return }: Evaluation): string {
  const header = ["seed", "reward", "outcome", "events", "steps", "tokens", "ms", "error"];
  const rows = results.map((one) => [
    String(one.seed),
    number(one.reward),
    number(one.outcome),
    number(one.events),
    String(one.steps),
    String(one.tokens),
    String(one.ms),
    one.error?.code ?? "",
  ]);
  rows.push([
    "mean",
    number(mean_return),
    number(meanOf(results.map(({ outcome }) => outcome))),
    number(meanOf(results.map(({ events }) => events))),
    "",
    String(results.reduce((sum, { tokens }) => sum + tokens, 0)),
    "",
    [failed > 0 ? `${failed} failed` : "", skipped > 0 ? `${skipped} not begun` : ""]
      .filter((text) => text !== "").join(", "),
  ]);
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0))
  );
  const line = (cells: readonly string[]): string =>
    cells.map((cell, column) =>
      column === cells.length - 1 ? cell : cell.padStart(widths[column] ?? 0)
    ).join("  ").trimEnd();
  return [header, ...rows].map(line).join("\n");
}

async function one(
  seed: number,
  { client, request, signal }: EvaluationOptions,
): Promise<[SeedResult, unknown]> {
  const began = performance.now();
  const ms = (): number => Math.round(performance.now() - began);
  try {
    const answer = await client.rollout(request(seed), signal === undefined ? {} : { signal });
    return [resultOf(seed, answer, ms()), null];
  } catch (error) {
    const { code, message } = error instanceof SynthError
      ? error
      : { code: "failed", message: String(error) };
    const nothing = { reward: null, outcome: null, events: null, steps: 0, tokens: 0 };
    return [{ seed, ...nothing, ms: ms(), error: { code, message } }, error];
  }
}

function resultOf(seed: number, { metrics }: RolloutResponse, ms: number): SeedResult {
  const tokens = metrics.details["tokens"];
  return {
    seed,
    reward: metrics.mean_return,
    outcome: metrics.outcome_score ?? metrics.outcome_reward,
    events: metrics.events_score ?? null,
    steps: metrics.num_steps,
    tokens: typeof tokens === "number" ? tokens : 0,
    ms,
    error: null,
  };
}

function exitCode(error: unknown, mean: number | null, minScore: number | undefined): number {
  if (error instanceof SynthError) return HOPELESS.get(error.code) ?? error.exitCode;
  if (error !== null) return EXIT.failed;
  return minScore !== undefined && (mean ?? 0) < minScore ? EXIT.checks : EXIT.ok;
}

function meanOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
}

function number(value: number | null): string {
  return value === null ? "-" : value.toFixed(3);
}
