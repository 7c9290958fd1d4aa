/** Whether and how text is coloured. @module */
import type { Environment } from "@synth/core/config";

/** Bits of colour: 1 is none. `NO_COLOR` wins over `FORCE_COLOR`, both over what the terminal can do. */
export function colorDepth(env: Environment, isTerminal: boolean): number {
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== "") return 1;
  if (env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== "") {
    return env.FORCE_COLOR === "0" ? 1 : 8;
  }
  return isTerminal && env.TERM !== "dumb" ? 8 : 1;
}

/** Bold, when the stream has colours. */
export function bold(text: string, stream: { getColorDepth(): number }): string {
  return stream.getColorDepth() > 1 ? `\x1b[1m${text}\x1b[22m` : text;
}

/** Colours of every terminal, readable on light and on dark. */
const COLORS = { red: 31, green: 32, yellow: 33 } as const;

/** Coloured, when the stream has colours. */
export function colored(
  color: keyof typeof COLORS,
  text: string,
  stream: { getColorDepth(): number },
): string {
  return stream.getColorDepth() > 1 ? `\x1b[${COLORS[color]}m${text}\x1b[39m` : text;
}
