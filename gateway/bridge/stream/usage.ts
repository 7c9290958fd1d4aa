/** What an upstream says about tokens, made safe to bill and to show. @module */
import type { ResponseUsage } from "../response_object.ts";

/** Token counts of one turn. `input` and `output` always hold the details beside them. */
export interface TurnUsage {
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly cacheWriteTokens: number;
  readonly outputTokens: number;
  readonly reasoningTokens: number;
  /** The sum of input and output. */
  readonly totalTokens: number;
  /** Whether both counts are the upstream's; else what is missing was estimated from bytes. */
  readonly reported: boolean;
  readonly inputReported: boolean;
  readonly outputReported: boolean;
  /** The sum that the upstream named, also where it named no parts; 0: none. */
  readonly statedTotal?: number;
}

/** What a turn weighed, for estimates. */
export interface TurnBytes {
  readonly input: number;
  readonly output: number;
  readonly reasoning: number;
}

/** No turn has more tokens; a larger count is a lie. */
const MAX_TOKENS = 1_000_000_000;
const BYTES_PER_TOKEN = 4;

type Fields = Record<string, unknown>;

/**
 * Collects usage objects of one stream. Counts only grow (a running total is replaced by a later one); what is no count
 * (negative, not a number, absurdly large) is as if it had not been sent.
 */
export class UsageMeter {
  #input = -1;
  #output = -1;
  #total = -1;
  #cached = -1;
  #cacheWrite = -1;
  #reasoning = -1;
  #countedBytes = 0;

  /**
   * Takes a `usage` member of any shape.
   *
   * @param outputBytes generated so far
   */
  take(value: unknown, outputBytes = 0): void {
    const usage = fields(value);
    if (usage === null) return;
    const input = fields(usage.prompt_tokens_details) ?? fields(usage.input_tokens_details) ?? {};
    const output = fields(usage.completion_tokens_details) ??
      fields(usage.output_tokens_details) ?? {};
    this.#input = Math.max(this.#input, count(usage.prompt_tokens, usage.input_tokens));
    const generated = count(usage.completion_tokens, usage.output_tokens);
    if (generated > this.#output) this.#countedBytes = outputBytes;
    this.#output = Math.max(this.#output, generated);
    this.#total = Math.max(this.#total, count(usage.total_tokens));
    this.#cached = Math.max(
      this.#cached,
      count(input.cached_tokens, usage.prompt_cache_hit_tokens, usage.cached_tokens),
    );
    this.#cacheWrite = Math.max(
      this.#cacheWrite,
      count(input.cache_write_tokens, input.cache_creation_tokens),
    );
    this.#reasoning = Math.max(
      this.#reasoning,
      count(output.reasoning_tokens, usage.reasoning_tokens),
    );
  }

  /** Of `outputBytes` those that came after the last count of the output: not in it, unless the answer was at its end. */
  uncounted(outputBytes: number): number {
    return this.#output > 0 ? Math.max(0, outputBytes - this.#countedBytes) : 0;
  }

  /** The counts as they stand; what was not reported is estimated. */
  read(bytes: TurnBytes): TurnUsage {
    // A zero for something that plainly has tokens is no report.
    const inputReported = this.#input > 0 || (this.#input === 0 && bytes.input === 0);
    const outputReported = this.#output > 0 || (this.#output === 0 && bytes.output === 0);
    const inputTokens = inputReported ? this.#input : estimate(bytes.input);
    let outputTokens = outputReported ? this.#output : estimate(bytes.output);
    let reasoningTokens = this.#reasoning >= 0
      ? this.#reasoning
      : outputReported
      ? 0
      : estimate(bytes.reasoning);
    if (inputReported && this.#total > inputTokens + outputTokens) {
      // Some count reasoning in the total alone: what the rest does not explain was generated, and is paid for.
      const hidden = this.#total - inputTokens - outputTokens;
      outputTokens += hidden;
      if (reasoningTokens < hidden) reasoningTokens = hidden;
    }
    reasoningTokens = Math.min(reasoningTokens, outputTokens);
    const cachedTokens = Math.min(Math.max(this.#cached, 0), inputTokens);
    return {
      inputTokens,
      cachedTokens,
      cacheWriteTokens: Math.min(Math.max(this.#cacheWrite, 0), inputTokens - cachedTokens),
      outputTokens,
      reasoningTokens,
      totalTokens: inputTokens + outputTokens,
      reported: inputReported && outputReported,
      inputReported,
      outputReported,
      statedTotal: Math.max(this.#total, 0),
    };
  }
}

/** The usage that stands in a body beside an error: what it names was billed, whatever went wrong. `null`: none. */
export function usageBeside(body: unknown): TurnUsage | null {
  const meter = new UsageMeter();
  meter.take(fields(body)?.usage);
  const usage = meter.read({ input: 0, output: 0, reasoning: 0 });
  return usage.totalTokens + (usage.statedTotal ?? 0) > 0 ? usage : null;
}

/** The `usage` of a response object. */
export function responseUsage(usage: TurnUsage): ResponseUsage {
  return {
    input_tokens: usage.inputTokens,
    input_tokens_details: {
      cached_tokens: usage.cachedTokens,
      cache_write_tokens: usage.cacheWriteTokens,
    },
    output_tokens: usage.outputTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
    total_tokens: usage.totalTokens,
  };
}

function fields(value: unknown): Fields | null {
  return typeof value === "object" && value !== null ? value as Fields : null;
}

/** The largest of the values that are counts, else -1. */
function count(...values: unknown[]): number {
  let largest = -1;
  for (const value of values) {
    const number = typeof value === "string" && /^\d{1,12}$/.test(value) ? Number(value) : value;
    if (typeof number !== "number" || !(number >= 0 && number <= MAX_TOKENS)) continue;
    largest = Math.max(largest, Math.ceil(number));
  }
  return largest;
}

function estimate(bytes: number): number {
  return Math.ceil(bytes / BYTES_PER_TOKEN);
}
