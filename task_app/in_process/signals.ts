/** SIGINT and SIGTERM while task apps run in this process. @module */
import { type Clock, EXIT } from "@synth/core";
import { exit, onSignal, type StopSignal } from "@synth/core/platform";

/** What a signal stops. */
export interface Stoppable {
  /** @param force nobody is waited for any more, but what would outlive the process */
  stop(options: { readonly force: boolean }): Promise<void>;
}

/** Milliseconds within which the same signal is the same wish: a terminal and a task runner may both send it. */
const ECHO_MS = 500;
const SIGTERM_EXIT = 143;

/** One for a process: several apps end by the same signal, and the process ends when all have. */
class SignalGuard {
  readonly #running = new Set<Stoppable>();
  #unlisten: (() => void) | null = null;
  #wishes = 0;
  /** The first signal's. */
  #code: number | null = null;
  #last: { signal: StopSignal; at: number } | null = null;

  add(app: Stoppable, clock: Pick<Clock, "monotonic">): Disposable {
    this.#running.add(app);
    this.#unlisten ??= onSignal(["SIGINT", "SIGTERM"], (signal) => this.#receive(signal, clock));
    return { [Symbol.dispose]: () => this.#remove(app) };
  }

  #remove(app: Stoppable): void {
    this.#running.delete(app);
    // Between the last app's end and our exit a signal must still find us.
    if (this.#running.size > 0 || this.#wishes > 0) return;
    this.#unlisten?.();
    this.#unlisten = null;
  }

  #receive(signal: StopSignal, clock: Pick<Clock, "monotonic">): void {
    const at = clock.monotonic();
    const echo = this.#last?.signal === signal && at - this.#last.at < ECHO_MS;
    this.#last = { signal, at };
    if (echo) return;
    this.#wishes++;
    const code = this.#code ??= signal === "SIGINT" ? EXIT.interrupted : SIGTERM_EXIT;
    if (this.#wishes > 2) exit(code);
    const force = this.#wishes === 2;
    const stopped = [...this.#running].map((app) => app.stop({ force }));
    // Listeners of others were called by the runtime, each once; the signal is not sent again.
    Promise.allSettled(stopped).then(() => exit(code));
  }
}

const guard = new SignalGuard();

/**
 * Lets SIGINT and SIGTERM stop this app and then end the process with 130 or 143; a second one hurries, a third ends at once. Listeners that others
 * have added are called, too.
 *
 * @returns what stops listening
 */
export function stopOnSignals(app: Stoppable, clock: Pick<Clock, "monotonic">): Disposable {
  return guard.add(app, clock);
}
