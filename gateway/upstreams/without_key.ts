/** Masks an upstream's key in what the upstream says. @module */
import { REDACTED } from "@synth/core";

/** Shorter ones are words like others. */
const MIN_KEY = 6;
const MAX_PATTERNS = 100;
/** By key: made when an upstream first writes characters by number. */
const patterns: Map<string, RegExp> = new Map();

/** The text with the key masked, also as JSON may write it: with characters by number, and `/` behind a backslash. */
export function withoutKey(text: string, key: string | null): string {
  if (key === null || key.length < MIN_KEY) return text;
  const masked = text.replaceAll(key, REDACTED);
  if (!masked.includes("\\u00") && !masked.includes("\\/")) return masked;
  return masked.replace(patternOf(key), REDACTED);
}

function patternOf(key: string): RegExp {
  let pattern = patterns.get(key);
  if (pattern === undefined) {
    if (patterns.size >= MAX_PATTERNS) patterns.clear();
    pattern = new RegExp([...key].map(anyForm).join(""), "g");
    patterns.set(key, pattern);
  }
  return pattern;
}

/**
 * One character in any of its forms. JSON within JSON doubles the backslashes: all of them go, since half an escape would break what is around it.
 * They are counted from the first one, and only so far: the time stays linear.
 */
function anyForm(character: string): string {
  const code = character.charCodeAt(0).toString(16).padStart(4, "0");
  const digits = code.replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`);
  const escaped = character === "/" ? `(?:u${digits}|/)` : `u${digits}`;
  const plain = character.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
  return `(?:${plain}|(?<!\\\\)\\\\{1,8}${escaped})`;
}
