/** What rollouts are judged by. @module */
export * from "./blend_rubrics.ts";
export * from "./load_rubric.ts";
export * from "./rubric.ts";
export * from "./score_rubric.ts";
