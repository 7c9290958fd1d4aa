/** Goes on to the next model when an upstream fails before it has answered anything. @module */
import { SynthError } from "@synth/core";
import type { RequestContext } from "../http/request_context.ts";
import type { ResolvedModel } from "./model_table.ts";

/** An attempt whose upstream failed. Its lease is charged or given back. */
export interface FailedAttempt<T> {
  readonly failure: SynthError;
  /** The answer, when no other model serves. May throw. */
  readonly answer: () => T;
}

/**
 * The answer of the first model whose upstream answers, each attempt with its own lease. `last` tells an attempt that no other follows it. A model that cannot take the request, or cannot be paid, is passed over; when
 * none serves, the last failure of an upstream is the answer.
 *
 * @throws {SynthError} what the first model refuses, and what no other model would mend
 */
export async function firstServing<T>(
  context: RequestContext,
  model: ResolvedModel,
  attempt: (model: ResolvedModel, last: boolean) => Promise<T | FailedAttempt<T>>,
): Promise<T> {
  const models = context.snapshot.models.withFallbacks(model);
  if (models.length > 1) return await firstOf(models, context, model, attempt);
  const result = await attempt(model, true);
  context.fields["model"] = model.name.slice(0, 256);
  return isFailed(result) ? result.answer() : result;
}

async function firstOf<T>(
  models: readonly ResolvedModel[],
  context: RequestContext,
  model: ResolvedModel,
  attempt: (model: ResolvedModel, last: boolean) => Promise<T | FailedAttempt<T>>,
): Promise<T> {
  let failed: FailedAttempt<T> | null = null;
  for (const [i, candidate] of models.entries()) {
    if (i > 0) context.fields["fallbacks"] = i;
    const result: T | FailedAttempt<T> | null = await attemptAfter<T>(
      failed,
      context,
      () => attempt(candidate, i === models.length - 1),
    );
    context.fields["model"] = model.name.slice(0, 256);
    if (result === null) continue;
    if (!isFailed(result)) {
      name(result, candidate, context);
      return result;
    }
    failed = result;
    if (!isPassing(result.failure) || context.abortReason !== null) break;
    // What a whole answer that failed has left there is not about the next.
    if (i < models.length - 1) { for (const name of OF_AN_ANSWER) delete context.fields[name]; }
  }
  if (failed === null) throw new Error("the first attempt gives an answer or throws");
  return failed.answer();
}

/** `null`: this model is no help. Only the first one's refusals are the client's to see. */
async function attemptAfter<T>(
  failed: FailedAttempt<T> | null,
  context: RequestContext,
  attempt: () => Promise<T | FailedAttempt<T>>,
): Promise<T | FailedAttempt<T> | null> {
  if (failed === null) return await attempt();
  try {
    return await attempt();
  } catch (error) {
    if (!(error instanceof SynthError) || context.abortReason !== null) throw error;
    return null;
  }
}

/** Fields of the log that tell of one answer. */
const OF_AN_ANSWER = [
  "outcome",
  "error_code",
  "input_tokens",
  "output_tokens",
  "usage_estimated",
  "suppressed_calls",
  "ttft_ms",
];

/** A failed attempt whose error is the answer. */
export function failedWith(failure: SynthError): FailedAttempt<never> {
  return {
    failure,
    answer() {
      throw failure;
    },
  };
}

/** What another model may mend: the upstream is broken, away, or gives no more for now. What it refused the next would refuse as well. */
function isPassing(failure: SynthError): boolean {
  return failure.status >= 500 || failure.status === 429;
}

function isFailed<T>(result: T | FailedAttempt<T>): result is FailedAttempt<T> {
  return typeof result === "object" && result !== null && "failure" in result;
}

function name(result: unknown, served: ResolvedModel, context: RequestContext): void {
  context.fields["served_model"] = served.name.slice(0, 256);
  if (result instanceof Response && /^[\x21-\x7e]{1,256}$/.test(served.name)) {
    result.headers.set("x-synth-model", served.name);
  }
}
