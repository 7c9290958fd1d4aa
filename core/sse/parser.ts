import { SynthError } from "../errors.ts";

/** What an {@linkcode SseParser} calls, and where it stops. */
export interface SseParserOptions {
  /** One event: its data, and its type (`message` when the stream named none). Both calls and strings are all that an event costs. */
  onEvent: (data: string, event: string) => void;
  /** A comment, without its colon: nothing to read, but a sign that the other side lives. */
  onComment?: (text: string) => void;
  /** The longest line, in bytes. @default {8_388_608} */
  maxLineBytes?: number;
  /** The most data of one event, in UTF-16 code units. @default {33_554_432} */
  maxEventLength?: number;
}

const LF = 10;
const CR = 13;
const SPACE = 32;
const COLON = 58;
const BOM = "\uFEFF";
const SMALL = 4096;
/** It is given whole lines: nothing is left in it from one call to the next. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Reads `text/event-stream` from bytes, cut anywhere.
 *
 * It follows the WHATWG algorithm with one exception: an event that the end of the stream cut off is given by {@linkcode SseParser.end}, since
 * model servers forget the last blank line. It decodes once for each push and keeps only the line that is not complete, in a buffer
 * that doubles: the time is linear in the bytes, whatever the pieces.
 */
export class SseParser {
  readonly #onEvent: (data: string, event: string) => void;
  readonly #onComment: ((text: string) => void) | undefined;
  readonly #maxLine: number;
  readonly #maxEvent: number;
  /** The bytes of the line that is not complete. */
  #tail = new Uint8Array(0);
  #tailLength = 0;
  #atStart = true;
  /** The last byte was a CR: a LF that comes first in the next push belongs to it. */
  #skipLf = false;
  #data = "";
  #hasData = false;
  #event = "";
  #id = "";
  #lastEventId = "";
  #retryMs: number | undefined;

  constructor(options: SseParserOptions) {
    this.#onEvent = options.onEvent;
    this.#onComment = options.onComment;
    this.#maxLine = options.maxLineBytes ?? 8 * 1024 * 1024;
    this.#maxEvent = options.maxEventLength ?? 32 * 1024 * 1024;
  }

  /** The last `id` of an event that was complete, `""` before the first. */
  get lastEventId(): string {
    return this.#lastEventId;
  }

  /** The last `retry` field, in milliseconds. */
  get retryMs(): number | undefined {
    return this.#retryMs;
  }

  /**
   * Takes the next bytes and calls `onEvent` for every event that they complete. The bytes are not kept: the caller may use the buffer again.
   *
   * @throws {SynthError} 502 `sse_line_too_long` or `sse_event_too_large`; the parser is of no use after that
   */
  push(bytes: Uint8Array): void {
    let start = 0;
    if (this.#skipLf && bytes.length > 0) {
      this.#skipLf = false;
      if (bytes[0] === LF) start = 1;
    }
    const cut = Math.max(bytes.lastIndexOf(LF), bytes.lastIndexOf(CR)) + 1;
    if (cut <= start) {
      this.#keep(bytes, start);
      return;
    }
    if (cut === bytes.length && bytes[cut - 1] === CR) this.#skipLf = true;
    if (this.#tailLength === 0) {
      const whole = start === 0 && cut === bytes.length ? bytes : bytes.subarray(start, cut);
      this.#lines(decoder.decode(whole));
    } else {
      // Only the end of the first line is added to the tail: what follows needs no copy.
      const end = endOfLine(bytes, start);
      this.#append(bytes, start, end);
      const first = decoder.decode(this.#tail.subarray(0, this.#tailLength));
      this.#forget();
      this.#lines(first);
      if (end < cut) this.#lines(decoder.decode(bytes.subarray(end, cut)));
    }
    this.#keep(bytes, cut);
  }

  /** The stream has ended: gives the event that lacks its blank line, if there is one. The parser can then read another stream. */
  end(): void {
    if (this.#tailLength > 0) {
      const last = decoder.decode(this.#tail.subarray(0, this.#tailLength));
      this.#forget();
      this.#lines(last + "\n");
    }
    this.#dispatch();
    this.#atStart = true;
    this.#skipLf = false;
  }

  #keep(bytes: Uint8Array, from: number): void {
    if (from < bytes.length) this.#append(bytes, from, bytes.length);
  }

  #append(bytes: Uint8Array, from: number, to: number): void {
    const needed = this.#tailLength + to - from;
    // A complete line brings its end along (two bytes) and the first one perhaps a BOM (three).
    if (needed > this.#maxLine + 5) throw this.#tooLong();
    if (needed > this.#tail.length) {
      const grown = new Uint8Array(Math.max(SMALL, needed, this.#tail.length * 2));
      grown.set(this.#tail.subarray(0, this.#tailLength));
      this.#tail = grown;
    }
    if (to - from === 1) this.#tail[this.#tailLength] = bytes[from] ?? 0;
    else this.#tail.set(bytes.subarray(from, to), this.#tailLength);
    this.#tailLength = needed;
  }

  /** Empties the tail, and gives a large buffer back. */
  #forget(): void {
    this.#tailLength = 0;
    if (this.#tail.length > 64 * SMALL) this.#tail = new Uint8Array(0);
  }

  /** Reads text that ends at the end of a line. */
  #lines(text: string): void {
    let at = 0;
    if (this.#atStart) {
      this.#atStart = false;
      if (text.startsWith(BOM)) at = 1;
    }
    let cr = text.indexOf("\r", at);
    while (at < text.length) {
      const lf = text.indexOf("\n", at);
      if (cr === -1) {
        this.#line(text, at, lf);
        at = lf + 1;
      } else if (lf !== -1 && lf < cr) {
        this.#line(text, at, lf);
        at = lf + 1;
      } else {
        this.#line(text, at, cr);
        at = lf === cr + 1 ? cr + 2 : cr + 1;
        cr = text.indexOf("\r", at);
      }
    }
  }

  #line(text: string, start: number, end: number): void {
    if (start === end) return this.#dispatch();
    // A code unit is at most three bytes: only long lines are counted.
    if ((end - start) * 3 > this.#maxLine) this.#checkLine(text.slice(start, end));
    const first = text.charCodeAt(start);
    if (first === COLON) {
      this.#onComment?.(text.slice(start + 1, end));
      return;
    }
    if (first === 100 && isField(text, "data", start, end)) {
      const value = text.slice(valueAt(text, start + 4, end), end);
      this.#data = this.#hasData ? this.#data + "\n" + value : value;
      this.#hasData = true;
      if (this.#data.length > this.#maxEvent) throw this.#tooLarge();
    } else if (first === 101 && isField(text, "event", start, end)) {
      this.#event = text.slice(valueAt(text, start + 5, end), end);
    } else if (first === 105 && isField(text, "id", start, end)) {
      const id = text.slice(valueAt(text, start + 2, end), end);
      if (!id.includes("\0")) this.#id = id;
    } else if (first === 114 && isField(text, "retry", start, end)) {
      const retry = text.slice(valueAt(text, start + 5, end), end);
      if (/^[0-9]{1,15}$/.test(retry)) this.#retryMs = Number(retry);
    }
  }

  #dispatch(): void {
    this.#lastEventId = this.#id;
    const event = this.#event;
    this.#event = "";
    if (!this.#hasData) return;
    const data = this.#data;
    this.#data = "";
    this.#hasData = false;
    this.#onEvent(data, event === "" ? "message" : event);
  }

  #checkLine(line: string): void {
    if (new TextEncoder().encode(line).length > this.#maxLine) throw this.#tooLong();
  }

  #tooLong(): SynthError {
    return new SynthError(`A line of the event stream is longer than ${this.#maxLine} bytes`, {
      code: "sse_line_too_long",
      status: 502,
    });
  }

  #tooLarge(): SynthError {
    return new SynthError(`An event of the stream is larger than ${this.#maxEvent} characters`, {
      code: "sse_event_too_large",
      status: 502,
    });
  }
}

/** The index behind the first line end at or after `from`; a CR and its LF together. */
function endOfLine(bytes: Uint8Array, from: number): number {
  const lf = bytes.indexOf(LF, from);
  const cr = bytes.subarray(from, lf === -1 ? bytes.length : lf).indexOf(CR);
  if (cr === -1) return lf + 1;
  const end = from + cr + 1;
  return lf === end ? end + 1 : end;
}

/** Whether the line's field name is `name`: it ends at a colon or with the line. */
function isField(text: string, name: string, start: number, end: number): boolean {
  const after = start + name.length;
  if (after > end || !text.startsWith(name, start)) return false;
  return after === end || text.charCodeAt(after) === COLON;
}

/** Where the value begins: behind the colon and at most one space. */
function valueAt(text: string, colon: number, end: number): number {
  if (colon >= end) return end;
  return colon + 1 < end && text.charCodeAt(colon + 1) === SPACE ? colon + 2 : colon + 1;
}
