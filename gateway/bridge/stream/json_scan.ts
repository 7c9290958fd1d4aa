/** Finds out whether a JSON text is whole without parsing it again and again. @module */

/**
 * Follows strings and brackets of a text that comes in pieces. Text is only looked at when somebody asks, and never
 * twice. "Complete" means that the outermost object, array or string is closed; it need not be valid.
 */
export class JsonScan {
  #unseen = "";
  #depth = 0;
  #inString = false;
  #escaped = false;
  #complete = false;

  push(piece: string): void {
    if (!this.#complete) this.#unseen += piece;
  }

  /** Whether the outermost value is closed. */
  get complete(): boolean {
    if (!this.#complete && this.#unseen !== "") {
      this.#scan(this.#unseen);
      this.#unseen = "";
    }
    return this.#complete;
  }

  #scan(text: string): void {
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (code === 0x5c) this.#escaped = true;
        else if (code === 0x22) {
          this.#inString = false;
          if (this.#depth === 0) this.#complete = true;
        }
      } else if (code === 0x22) {
        this.#inString = true;
      } else if (code === 0x7b || code === 0x5b) {
        this.#depth++;
      } else if (code === 0x7d || code === 0x5d) {
        this.#depth--;
        if (this.#depth <= 0) this.#complete = true;
      }
      if (this.#complete) return;
    }
  }
}
