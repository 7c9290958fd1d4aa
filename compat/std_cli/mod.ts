/**
 * A stand-in for `jsr:@std/cli` over npm packages, for networks without JSR. Never published: `links` in the root
 * deno.json points here, and JSR users get the real package. Only what behaves the same on both.
 *
 * @module
 */
export * from "./parse_args.ts";
export * from "./prompt_secret.ts";
export * from "./unicode_width.ts";
