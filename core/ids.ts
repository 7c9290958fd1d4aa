/**
 * Identifiers: random, short, and safe in a URL, a header, a file name and a Redis key.
 *
 * ```ts
 * import { newId, newSessionId } from "@synth/core";
 *
 * newId("resp_"); // "resp_" and 32 characters of [0-9a-v]: 160 random bits
 * newSessionId(); // "sess_" and 26 characters, in order of time
 * ```
 *
 * @module
 */

const ALPHABET = "0123456789abcdefghijklmnopqrstuv";
const SESSION_PREFIX = "sess_";
const SESSION_PATTERN = /^sess_[0-9a-z]{26}$/;
const ID_PAIRS = 16;
const SESSION_PAIRS = 8;
const TIME_LENGTH = 10;

/** Random bytes cost a system call each; they are drawn for 128 ids at a time, and never at import (Workers refuse it). */
const pool = new Uint16Array(2048);
let poolUsed = pool.length;
let pairs: string[] = [];

/** A prefix and 32 random characters of `[0-9a-v]` (160 bits). */
export function newId(prefix: string): string {
  return prefix + randomPairs(ID_PAIRS);
}

/**
 * An id of a session: `sess_`, 10 characters of time and 16 random ones (80 bits), so that ids sort by when they were made.
 *
 * @param now milliseconds since the epoch
 */
export function newSessionId(now: number = Date.now()): string {
  let time = "";
  let rest = Math.max(0, Math.floor(now));
  for (let i = 0; i < TIME_LENGTH; i++) {
    time = ALPHABET.charAt(rest % 32) + time;
    rest = Math.floor(rest / 32);
  }
  return SESSION_PREFIX + time + randomPairs(SESSION_PAIRS);
}

/** Whether this has the shape of our session ids. Other shapes are an agent's own ids. */
export function isSessionId(text: string): boolean {
  return SESSION_PATTERN.test(text);
}

function randomPairs(count: number): string {
  if (pairs.length === 0) pairs = makePairs();
  if (poolUsed + count > pool.length) {
    crypto.getRandomValues(pool);
    poolUsed = 0;
  }
  const end = poolUsed + count;
  let text = "";
  for (let i = poolUsed; i < end; i++) text += pairs[(pool[i] ?? 0) & 1023];
  poolUsed = end;
  return text;
}

/** All 1024 two-character strings: one look-up then gives ten random bits. */
function makePairs(): string[] {
  const made: string[] = [];
  for (const high of ALPHABET) for (const low of ALPHABET) made.push(high + low);
  return made;
}
