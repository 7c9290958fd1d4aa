import { SynthError } from "../errors.ts";

/** What ends a stream for Chat Completions clients, and is tolerated by Responses clients. */
export const SSE_DONE = "data: [DONE]\n\n";

const TYPE_PATTERN = /^[A-Za-z0-9_.:-]{1,128}$/;
/** Line ends to some clients' readers, though not to the standard; JSON leaves them as they are. */
const ODD_LINE_ENDS = /[\u0085\u2028\u2029]/;

/**
 * One event as text: `event: <type>\ndata: <JSON on one line>\n\n`.
 *
 * @throws {SynthError} 500 `sse_type_invalid` for a type that could break out of its line
 */
export function encodeSseEvent(type: string, data: unknown): string {
  if (!TYPE_PATTERN.test(type)) {
    throw new SynthError("An event type has characters other than letters, digits, _ . : -", {
      code: "sse_type_invalid",
    });
  }
  return "event: " + type + "\ndata: " + toLine(data) + "\n\n";
}

/** One event without a type, as Chat Completions streams have them: `data: <JSON on one line>\n\n`. */
export function encodeSseData(data: unknown): string {
  return "data: " + toLine(data) + "\n\n";
}

/** A comment, which keeps a silent connection alive: `: <text>\n\n`. Control characters become spaces. */
export function encodeSseComment(text: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what must not get through
  return ": " + text.replace(/[\u0000-\u001F\u007F-\u009F\u2028\u2029]/g, " ") + "\n\n";
}

/** Collects the events that are ready, so that what arrives together leaves together, as one chunk. */
export class SseWriter {
  readonly #encoder = new TextEncoder();
  #text = "";

  /** Adds an event. See {@linkcode encodeSseEvent}. */
  event(type: string, data: unknown): void {
    this.#text += encodeSseEvent(type, data);
  }

  /** Adds an event without a type. */
  data(data: unknown): void {
    this.#text += encodeSseData(data);
  }

  /** Adds a comment. */
  comment(text: string): void {
    this.#text += encodeSseComment(text);
  }

  /** Adds `data: [DONE]`. */
  done(): void {
    this.#text += SSE_DONE;
  }

  /** The bytes of all that was added since the last call, or `null` when nothing was. */
  take(): Uint8Array<ArrayBuffer> | null {
    if (this.#text === "") return null;
    const bytes = this.#encoder.encode(this.#text);
    this.#text = "";
    return bytes;
  }
}

function toLine(data: unknown): string {
  const json: string | undefined = JSON.stringify(data);
  if (json === undefined) {
    throw new SynthError("The data of an event is not JSON", { code: "sse_data_invalid" });
  }
  return escapeLineSeparators(json);
}

/** JSON without the characters that end a line for some readers and not in the standard: they can only stand in strings, where they become escapes. */
export function escapeLineSeparators(json: string): string {
  return ODD_LINE_ENDS.test(json) ? json.replace(/[\u0085\u2028\u2029]/g, escapeUnit) : json;
}

function escapeUnit(unit: string): string {
  return "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0");
}
