/** Times of the wire. @module */
import { SynthError } from "@synth/core";

const ZONED = /(?:Z|[+-]\d{2}:?\d{2})$/;
const DATE = /^\d{4}-\d{2}-\d{2}$/;
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?$/;

/**
 * ISO 8601 (a date, or a date and a time) as milliseconds since the epoch. Without a zone it is UTC.
 *
 * @throws {SynthError} 400
 */
export function parseTime(text: string, param: string, code = "invalid_value"): number {
  const shaped = text.length <= 40 && (DATE.test(text) || TIME.test(text));
  const zoned = DATE.test(text) || ZONED.test(text) ? text : `${text}Z`;
  const ms = shaped ? Date.parse(zoned) : NaN;
  if (Number.isSafeInteger(ms) && ms >= 0) return ms;
  throw new SynthError(`Invalid '${param}': expected a time such as 2026-11-22T18:00:00Z`, {
    code,
    status: 400,
    param,
  });
}

/** Milliseconds since the epoch as the wire has them. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** The same, where there may be none. */
export function isoTimeOrNull(ms: number | null): string | null {
  return ms === null ? null : isoTime(ms);
}
