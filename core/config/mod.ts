/**
 * The configuration: one strict schema, read from `synth.toml`, the environment and flags.
 *
 * ```ts
 * import { loadConfig } from "@synth/core/config";
 *
 * const { config } = await loadConfig({ env: { SYNTH_PORT: "0" } });
 * config.gateway.port; // 0
 * ```
 *
 * @module
 */
export type { Environment } from "./environment.ts";
export { describeOrigin, type Origin, type OriginKind } from "./layers.ts";
export {
  CONFIG_FILE,
  findProjectFile,
  listGuarded,
  loadConfig,
  type LoadedConfig,
  type LoadOptions,
} from "./load.ts";
export { configSchema, findModel, type FoundModel } from "./schema.ts";
export { listSettings, type ShownSetting } from "./show.ts";
export { CONFIG_TEMPLATE } from "./template.ts";
export { nearest } from "./nearest.ts";
export { fingerprint, isGuarded } from "./trust.ts";
export type * from "./types.ts";
