/**
 * The wire schemas of synth's own HTTP API, and their parsers.
 *
 * ```ts
 * import { parseResponsesRequest } from "@synth/core/api";
 *
 * const body = parseResponsesRequest({ model: "synth-small", input: "Say hi" });
 * ```
 *
 * @module
 */
export * from "./responses_actions.ts";
export * from "./responses_request.ts";
export * from "./chat_schema.ts";
export * from "./error_schema.ts";
export * from "./health_schema.ts";
export * from "./keys.ts";
export * from "./limits.ts";
export * from "./model_schema.ts";
export * from "./parse_request.ts";
export * from "./registry.ts";
export * from "./sessions.ts";
export * from "./tunnels.ts";
export * from "./usage.ts";
export type { PageQuery, Repeatable, SynthClientOptions } from "./api_caller.ts";
export * from "./keys_client.ts";
export * from "./registry_client.ts";
export * from "./sessions_client.ts";
export * from "./synth_client.ts";
export * from "./tunnels_client.ts";
