/** Lines of a log that leave together: what is written in one turn of the event loop costs one call of the system. @module */
import { setImmediate } from "node:timers";

/** Gathers lines until the turn is over. */
export class GatheredLines {
  readonly #write: (text: string) => void;
  #text = "";

  /** @param write takes whole lines, each with its end */
  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  /** Takes a line, without its end. */
  add(line: string): void {
    if (this.#text === "") setImmediate(() => this.flush());
    this.#text += line + "\n";
  }

  /** Sees to it that the lines of the last turn are written, however the process ends: by an exit, or by an error that nobody caught. */
  flushAtEnd(): void {
    for (const event of ["unload", "error", "unhandledrejection"]) {
      globalThis.addEventListener(event, () => this.flush());
    }
  }

  /** Writes what there is now. */
  flush(): void {
    const text = this.#text;
    this.#text = "";
    if (text !== "") this.#write(text);
  }
}
