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
const TIMED_PAIRS = 8;
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
 * An id that sorts by when it was made: the prefix, 10 characters of time and 16 random ones (80 bits). For rows that are written often:
 * what is made together then lies together in a store's index, while random ids touch a page each.
 *
 * @param now milliseconds since the epoch
 */
export function newTimedId(prefix: string, now: number = Date.now()): string {
  const time = Math.max(0, Math.floor(now));
  if (time !== lastTime) {
    lastTime = time;
    lastTimeText = timeText(time);
  }
  return prefix + lastTimeText + randomPairs(TIMED_PAIRS);
}

let lastTime = -1;
let lastTimeText = "";

function timeText(time: number): string {
  let text = "";
  let rest = time;
  for (let i = 0; i < TIME_LENGTH; i++) {
    text = ALPHABET.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

/**
 * An id of a session: `sess_` and the 26 characters of {@linkcode newTimedId}.
 *
 * @param now milliseconds since the epoch
 */
export function newSessionId(now: number = Date.now()): string {
  return newTimedId(SESSION_PREFIX, now);
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
