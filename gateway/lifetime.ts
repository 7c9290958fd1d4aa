/**
 * The end of something that lives a while, such as a request. An `AbortSignal` tells the same; but it is an event target, and the half dozen
 * listeners of a request cost a twentieth of what the request costs in all.
 *
 * @module
 */

/** Tells of an end. An `AbortSignal` is one. */
export interface EndSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
  addEventListener(type: "abort", listener: () => void, options?: { once: boolean }): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** Something that can be ended: an `AbortController` and its signal in one. */
export class Lifetime implements EndSignal {
  readonly #listeners: (() => void)[] = [];
  #aborted = false;
  #reason: unknown = undefined;

  get aborted(): boolean {
    return this.#aborted;
  }

  get reason(): unknown {
    return this.#reason;
  }

  throwIfAborted(): void {
    if (this.#aborted) throw this.#reason;
  }

  /**
   * Ends it: each listener is called once, in the order in which they came. Later calls do nothing.
   *
   * @throws what the first listener that failed threw, once all were called
   */
  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    // One that is called may take another one back.
    let failed: { readonly error: unknown } | null = null;
    for (let next = this.#listeners.shift(); next !== undefined; next = this.#listeners.shift()) {
      try {
        next();
      } catch (error) {
        failed ??= { error };
      }
    }
    if (failed !== null) throw failed.error;
  }

  addEventListener(_type: "abort", listener: () => void): void {
    if (!this.#aborted && !this.#listeners.includes(listener)) this.#listeners.push(listener);
  }

  removeEventListener(_type: "abort", listener: () => void): void {
    const at = this.#listeners.indexOf(listener);
    if (at !== -1) this.#listeners.splice(at, 1);
  }
}

/** The same as an `AbortSignal`, for what takes nothing else. */
export function abortSignalOf(signal: EndSignal): AbortSignal {
  if (signal instanceof AbortSignal) return signal;
  const controller = new AbortController();
  if (signal.aborted) controller.abort(signal.reason);
  else signal.addEventListener("abort", () => controller.abort(signal.reason));
  return controller.signal;
}
