/**
 * The version, in a file that loads nothing else.
 *
 * ```ts
 * import { VERSION } from "@synth/cli/version";
 *
 * console.log(VERSION);
 * ```
 *
 * @module
 */
import manifest from "./deno.json" with { type: "json" };

/** Version of synth, as `1.2.3`. */
export const VERSION: string = manifest.version;
