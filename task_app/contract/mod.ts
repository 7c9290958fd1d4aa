/** The contract between a trainer and a task app: what goes over the wire, and what a task app is made of. @module */
export { type ContractIssue, contractIssues } from "./contract_issue.ts";
export type { FreeObject } from "./free_object.ts";
export { cloneTaskAppConfig, normalizeTaskAppConfig } from "./normalize_config.ts";
export { type RlRulesOptions, validateRolloutResponseForRl } from "./rl_rules.ts";
export * from "./rollout_request.ts";
export * from "./rollout_response.ts";
export type * from "./task_app_config.ts";
export * from "./task_info.ts";
export {
  extractTraceCorrelationId,
  includeInferenceUrl,
  includeTraceCorrelationId,
  requestCorrelationId,
} from "./trace_correlation.ts";
