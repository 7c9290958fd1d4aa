/**
 * A stand-in for `jsr:@std/toml` over `npm:smol-toml`, for networks without JSR. Never published: `links` in the root
 * deno.json points here, and JSR users get the real package. Only what behaves the same on both.
 *
 * @module
 */
import * as smol from "smol-toml";

/** Parses TOML. Throws a `SyntaxError` whose message begins with the place of the fault. */
export function parse(tomlString: string): Record<string, unknown> {
  try {
    return smol.parse(tomlString);
  } catch (error) {
    if (!(error instanceof smol.TomlError)) throw error;
    // The first line alone: behind it the library quotes the text, which may hold a secret.
    const what = error.message.split("\n", 1)[0]?.replace(
      /^Invalid TOML document: /,
      "",
    );
    throw new SyntaxError(
      `Parse error on line ${error.line}, column ${error.column}: ${what}`,
    );
  }
}

/** Writes TOML. */
export function stringify(obj: Record<string, unknown>): string {
  return smol.stringify(obj);
}
