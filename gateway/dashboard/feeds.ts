/** Open feeds: counted, so that pages that nobody looks at cannot use up the gateway, and ended when it drains. @module */
import { SynthError } from "@synth/core";

/** Feeds that one signed-in browser may have open. */
const PER_SIGN_IN = 6;
const PER_ORG = 50;
const IN_ALL = 500;

/** One open feed. */
interface Feed {
  readonly org: string;
  readonly token: string;
  readonly end: () => void;
}

/** All that are open. */
export class Feeds {
  readonly #open: Set<Feed> = new Set();
  #closed = false;

  /** How many are open. */
  get size(): number {
    return this.#open.size;
  }

  /**
   * Opens one.
   *
   * @param end called when the gateway drains
   * @returns how to count it out
   * @throws {SynthError} 429 `too_many_feeds`; 503 `shutting_down`
   */
  add(org: string, token: string, end: () => void): () => void {
    if (this.#closed) {
      throw new SynthError("The gateway is shutting down", {
        code: "shutting_down",
        status: 503,
        headers: { "retry-after": "1" },
      });
    }
    const open = [...this.#open];
    const full = open.length >= IN_ALL ||
      open.filter((feed) => feed.org === org).length >= PER_ORG ||
      open.filter((feed) => feed.token === token).length >= PER_SIGN_IN;
    if (full) {
      throw new SynthError("Too many dashboards are open", {
        code: "too_many_feeds",
        status: 429,
        hint: "Close some of them; this page can be reloaded by hand",
        headers: { "retry-after": "30" },
      });
    }
    const feed: Feed = { org, token, end };
    this.#open.add(feed);
    return () => this.#open.delete(feed);
  }

  /** Ends all, for good. */
  close(): void {
    this.#closed = true;
    for (const feed of [...this.#open]) feed.end();
  }
}
