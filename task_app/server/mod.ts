/** The server of the task-app contract. @module */
export { json, type TaskAppErrorBody } from "./answer.ts";
export { taskAppKey } from "./auth.ts";
export type { TaskAppOptions } from "./options.ts";
export {
  parseActions,
  type ParsedActions,
  synthesizeToolCall,
} from "./proxy/tool_call_fallback.ts";
export { injectSystemHint, prepareForGroq, prepareForOpenAi } from "./proxy/prepare_payload.ts";
export { createTaskApp, TaskApp } from "./task_app.ts";
