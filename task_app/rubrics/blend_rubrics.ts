import type { Rubric, RubricCriterion } from "./rubric.ts";

/**
 * One rubric of two: a task's own over a general one. Criteria are merged by id: texts are the override's, weights are multiplied when neither is
 * 1 (else the one that is not counts), a criterion that either requires is required. `inherit` takes the base's aggregation.
 *
 * @returns `null` when there is neither
 */
export function blendRubrics(
  base: Rubric | null | undefined,
  override: Rubric | null | undefined,
): Rubric | null {
  if (!override) return base ?? null;
  if (!base) return override;
  const merged = new Map(base.criteria.map((criterion) => [criterion.id, criterion]));
  for (const criterion of override.criteria) {
    const below = merged.get(criterion.id);
    merged.set(criterion.id, below === undefined ? criterion : blendCriteria(below, criterion));
  }
  return {
    ...base,
    ...override,
    goal_text: override.goal_text ?? base.goal_text,
    criteria: [...merged.values()],
    aggregation: override.aggregation === "inherit" ? base.aggregation : override.aggregation,
  };
}

function blendCriteria(base: RubricCriterion, override: RubricCriterion): RubricCriterion {
  const both = base.weight !== 1 && override.weight !== 1;
  const one = override.weight !== 1 ? override.weight : base.weight;
  return {
    ...base,
    ...override,
    description: override.description || base.description,
    weight: both ? base.weight * override.weight : one,
    required: base.required || override.required,
  };
}
