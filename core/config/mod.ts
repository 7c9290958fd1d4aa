/**
 * The configuration: one strict schema, read from `synth.toml`, the environment and flags.
 *
 * ```ts
 * import { configSchema, findModel } from "@synth/core/config";
 *
 * const config = configSchema.parse({
 *   upstreams: { local: { base_url: "http://127.0.0.1:11434/v1" } },
 *   models: { "local-*": { upstream: "local", price: "free" } },
 * });
 * findModel(config, "local-qwen")?.upstreamModel; // "local-qwen"
 * ```
 *
 * @module
 */
export { configSchema, findModel, type FoundModel } from "./schema.ts";
export type * from "./types.ts";
