/** Rubrics as a task shows them. @module */
import type { Rubric, RubricBundle, RubricInfo } from "@synth/task-app";

/** What `task_info` says of the rubrics. */
export function rubricInfo({ outcome, events }: RubricBundle): RubricInfo {
  const section = (rubric: Rubric | null | undefined) =>
    rubric
      ? {
        name: rubric.goal_text ?? "",
        criteria: rubric.criteria.map(({ id, description, weight }) => ({
          id,
          description,
          weight,
        })),
      }
      : null;
  return { outcome: section(outcome), events: section(events) };
}
