/** The requests whose answer is not complete: what draining waits for. @module */
import type { SynthError } from "@synth/core";
import { Slots } from "../slots.ts";
import type { RequestContext } from "./request_context.ts";

/** A set that can be waited on. */
export class InFlight {
  readonly #open: Slots<RequestContext> = new Slots();
  readonly #background: Set<Promise<unknown>> = new Set();
  #onIdle: (() => void)[] = [];

  /** Open requests. */
  get size(): number {
    return this.#open.size;
  }

  /** Each of them. */
  open(): Iterable<RequestContext> {
    return this.#open.items();
  }

  /** Returns the place that {@linkcode InFlight.remove} is given back. */
  add(context: RequestContext): number {
    return this.#open.add(context);
  }

  remove(place: number, context: RequestContext): void {
    this.#open.remove(place, context);
    if (this.#open.size > 0) return;
    const waiting = this.#onIdle;
    this.#onIdle = [];
    for (const resolve of waiting) resolve();
  }

  /** Resolves when no request is open. */
  idle(): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  /** Ends every open request with this error. */
  interrupt(reason: SynthError): void {
    for (const context of this.#open.items()) context.abort(reason);
  }

  /** Keeps a promise that nobody awaits, such as a late settlement, until it settles. */
  keep(promise: Promise<unknown>): void {
    const kept: Promise<unknown> = promise.catch(() => {}).then(() =>
      this.#background.delete(kept)
    );
    this.#background.add(kept);
  }

  /** Resolves when all kept promises have settled. */
  async settled(): Promise<void> {
    while (this.#background.size > 0) await Promise.all(this.#background);
  }
}
