/** A stand-in for `jsr:@std/cli/unicode-width`. @module */
import stringWidth from "string-width";

/** Columns that a string takes on a terminal. */
export function unicodeWidth(str: string): number {
  return stringWidth(str);
}
