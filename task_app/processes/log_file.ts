/** The log of a program in the background: private, bounded, readable while it is written. @module */
import type { Clock } from "@synth/core";
import { createPrivateFile, replacePrivateFile } from "@synth/core/platform";

/** Bytes from which a log is cut. */
export const LOG_LIMIT_BYTES: number = 16 * 1024 * 1024;

/** Bytes of the old log that are kept beside the new one. */
const KEPT_BYTES = 1024 * 1024;
const TAIL_BYTES = 64 * 1024;
const FOLLOW_MS = 250;

/** Makes an empty log that its owner alone can read; one that is there stays. */
export async function createLogFile(path: string): Promise<void> {
  await createPrivateFile(path, "");
}

/**
 * Cuts a log that has grown too long: its last MiB goes to `PATH.1`, and the file begins anew. Its writer appends, so it goes on at the start; what
 * it writes in that very moment is lost.
 *
 * @returns whether it was cut
 */
export async function boundLogFile(
  path: string,
  maxBytes: number = LOG_LIMIT_BYTES,
): Promise<boolean> {
  let size: number;
  try {
    const found = await Deno.lstat(path);
    // A link may lead to a file that is no log.
    if (!found.isFile) return false;
    ({ size } = found);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
  if (size <= maxBytes) return false;
  await replacePrivateFile(`${path}.1`, await tailBytes(path, KEPT_BYTES));
  await Deno.truncate(path, 0);
  return true;
}

/** The end of a log, from the start of a line on; empty when there is none. @param upTo byte at which it is taken to end @default {its size} */
export async function readLogTail(
  path: string,
  maxBytes: number = TAIL_BYTES,
  upTo: number = Number.POSITIVE_INFINITY,
): Promise<string> {
  try {
    const bytes = await tailBytes(path, maxBytes + 1, upTo);
    const text = new TextDecoder().decode(bytes);
    if (bytes.length <= maxBytes) return text;
    return text.slice(text.indexOf("\n") + 1);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** How a log is followed. */
export interface FollowOptions {
  readonly clock: Pick<Clock, "sleep">;
  /** Ends it, without an error. */
  readonly signal: AbortSignal;
  /** Byte to begin at. */
  readonly from: number;
  /** Whether more may come; asked before each look. */
  readonly goesOn: () => boolean | Promise<boolean>;
}

/** What is written to a log from now on, in pieces; it ends with its writer. */
export async function* followLog(path: string, options: FollowOptions): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(TAIL_BYTES);
  let at = options.from;
  using file = await openToRead(path);
  // Its writer has ended, and somebody has cleaned up.
  if (file === null) return;
  while (!options.signal.aborted) {
    const goesOn = await options.goesOn();
    const { size } = await file.stat();
    // It was cut.
    if (size < at) at = 0;
    while (at < size) {
      await file.seek(at, Deno.SeekMode.Start);
      const read = await file.read(buffer) ?? 0;
      if (read === 0) break;
      at += read;
      yield decoder.decode(buffer.subarray(0, read), { stream: true });
    }
    if (!goesOn) return;
    try {
      await options.clock.sleep(FOLLOW_MS, options.signal);
    } catch {
      return;
    }
  }
}

async function openToRead(path: string): Promise<Deno.FsFile | null> {
  try {
    return await Deno.open(path, { read: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

async function tailBytes(
  path: string,
  maxBytes: number,
  upTo: number = Number.POSITIVE_INFINITY,
): Promise<Uint8Array> {
  using file = await Deno.open(path, { read: true });
  const size = Math.min((await file.stat()).size, upTo);
  const length = Math.min(size, maxBytes);
  await file.seek(size - length, Deno.SeekMode.Start);
  const bytes = new Uint8Array(length);
  let at = 0;
  while (at < length) {
    const read = await file.read(bytes.subarray(at));
    if (read === null) break;
    at += read;
  }
  return bytes.subarray(0, at);
}
