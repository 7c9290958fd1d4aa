/**
 * What every room of synth needs.
 *
 * @module
 */
export * from "./errors.ts";
export * from "./clock.ts";
export * from "./ids.ts";
export * from "./http.ts";
export * from "./join_bytes.ts";
export * from "./redact.ts";
export * from "./log.ts";
export * from "./money.ts";
