/**
 * synth in one file: what `deno doc mod.ts` documents. Applications import the packages themselves.
 *
 * ```ts ignore
 * import { SynthError } from "@synth/core";
 * import { createGateway } from "@synth/gateway";
 * ```
 *
 * @module
 */
export * as core from "@synth/core";
export * as api from "@synth/core/api";
export * as auth from "@synth/core/auth";
export * as config from "@synth/core/config";
export * as sse from "@synth/core/sse";
export * as storage from "@synth/core/storage";
export * as taskApp from "@synth/task-app";
export * as gateway from "@synth/gateway";
