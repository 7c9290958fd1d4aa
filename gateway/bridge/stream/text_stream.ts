/** The text of one open part or call: what goes out as deltas is exactly what `done` repeats. @module */
import type { Json } from "@synth/core";
import type { Emitter } from "./emitter.ts";
import type { DeltaChannel } from "./sink.ts";

const NO_LOGPROBS: readonly Json[] = [];

/**
 * Passes text on as deltas and remembers it. Half a surrogate pair waits for its other half, and one that stays alone
 * becomes U+FFFD: a client in Rust cannot parse the JSON of a lone surrogate.
 */
export class TextStream {
  /** All text so far. */
  text = "";
  readonly logprobs: Json[] = [];
  readonly #emitter: Emitter;
  readonly #channel: DeltaChannel;
  #half = "";
  #waiting: Json[] = [];

  constructor(emitter: Emitter, channel: DeltaChannel) {
    this.#emitter = emitter;
    this.#channel = channel;
  }

  push(piece: string, logprobs: readonly Json[] = NO_LOGPROBS): void {
    let ready = this.#half === "" ? piece : this.#half + piece;
    const last = ready.charCodeAt(ready.length - 1);
    if (last >= 0xd800 && last <= 0xdbff) {
      this.#half = ready.slice(-1);
      ready = ready.slice(0, -1);
    } else {
      this.#half = "";
    }
    for (const one of logprobs) this.#waiting.push(one);
    if (ready === "") return;
    this.#send(ready.isWellFormed() ? ready : ready.toWellFormed());
  }

  /** Sends what was held back and gives the whole text. */
  end(): string {
    if (this.#half !== "") {
      this.#half = "";
      this.#send("\ufffd");
    }
    return this.text;
  }

  #send(text: string): void {
    this.text += text;
    if (this.#waiting.length === 0) {
      this.#emitter.delta(this.#channel, text, NO_LOGPROBS);
      return;
    }
    const logprobs = this.#waiting;
    this.#waiting = [];
    for (const one of logprobs) this.logprobs.push(one);
    this.#emitter.delta(this.#channel, text, logprobs);
  }
}
