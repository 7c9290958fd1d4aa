/**
 * The task-app toolkit: the HTTP contract between a trainer and the thing that it trains on, a server for it, and what finds, runs and
 * reaches such servers.
 *
 * @module
 */
export * from "./app_info.ts";
export * from "./contract/mod.ts";
export * from "./datasets/mod.ts";
export * from "./health.ts";
export * from "./urls.ts";
export * from "./rubrics/rubric.ts";
