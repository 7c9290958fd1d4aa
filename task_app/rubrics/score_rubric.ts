import type { Rubric, RubricAggregation } from "./rubric.ts";

/** How a rollout did by a rubric. */
export interface RubricScore {
  aggregation: RubricAggregation;
  /** `null` for `custom`: that is the application's to compute. */
  score: number | null;
  per_criterion: { [id: string]: { score: number; weight: number; required: boolean } };
}

/** Scores the outcome: each criterion's score by its id. One without a score, or with one that is no finite number, has 0. */
export function scoreOutcome(
  rubric: Rubric,
  scores: Readonly<Record<string, number>> | ReadonlyMap<string, number>,
): RubricScore {
  const get = scores instanceof Map
    ? (id: string): unknown => scores.get(id)
    : (id: string): unknown => (Object.hasOwn(scores, id) ? Reflect.get(scores, id) : undefined);
  let sum = 0;
  let weighted = 0;
  let weights = 0;
  const entries = rubric.criteria.map(({ id, weight, required }) => {
    const given = get(id);
    const score = typeof given === "number" && Number.isFinite(given) ? given : 0;
    sum += score;
    weighted += score * weight;
    weights += weight;
    return [id, { score, weight, required }] as const;
  });
  const { aggregation } = rubric;
  return { aggregation, score: total(), per_criterion: Object.fromEntries(entries) };

  function total(): number | null {
    if (aggregation === "custom") return null;
    if (aggregation === "sum") return sum;
    return weights > 0 ? weighted / weights : 0;
  }
}

/**
 * Scores events: each names its criterion (`criterion_id`, else `id`, else `criterion`) and its `score`. Of several for one criterion the last
 * counts; what is no event is passed over.
 */
export function scoreEvents(rubric: Rubric, events: Iterable<unknown>): RubricScore {
  const scores = new Map<string, number>();
  for (const event of events) {
    if (typeof event !== "object" || event === null) continue;
    const id = member(event, "criterion_id") ?? member(event, "id") ?? member(event, "criterion");
    const score = member(event, "score");
    if ((typeof id === "string" || typeof id === "number") && typeof score === "number") {
      scores.set(String(id), score);
    }
  }
  return scoreOutcome(rubric, scores);
}

function member(value: object, name: string): unknown {
  return Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
}
