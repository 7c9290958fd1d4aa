/** Runs a program in the foreground and hands it the signals that we get. @module */
import { type Clock, EXIT, SynthError } from "@synth/core";

/** Milliseconds that a program has to end after SIGTERM or SIGHUP. */
const GRACE_MS = 10_000;

const NUMBERS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };

/** What is run. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

/**
 * Takes over the signals, from before there is a program until all is cleaned up behind it. On a terminal Ctrl-C goes to every process of the
 * group: the program has it already.
 */
export class Foreground implements Disposable {
  readonly #clock: Pick<Clock, "after">;
  readonly #terminal: boolean;
  readonly #listeners: [Deno.Signal, () => void][] = [];
  #child: Deno.ChildProcess | null = null;
  #stoppedBy: Deno.Signal | null = null;
  #interrupts = 0;
  #cancelKill: (() => void) | null = null;

  constructor(options: {
    readonly clock: Pick<Clock, "after">;
    readonly windows: boolean;
    /** Whether standard input is a terminal. */
    readonly terminal: boolean;
  }) {
    this.#clock = options.clock;
    this.#terminal = options.terminal;
    const signals: Deno.Signal[] = options.windows ? ["SIGINT"] : ["SIGINT", "SIGTERM", "SIGHUP"];
    for (const signal of signals) {
      const listener = () => this.#receive(signal);
      Deno.addSignalListener(signal, listener);
      this.#listeners.push([signal, listener]);
    }
  }

  /** The code to exit with when a signal came before there was a program to hand it to; `null` otherwise. */
  get stopped(): number | null {
    return this.#stoppedBy === null ? null : 128 + (NUMBERS[this.#stoppedBy] ?? 0);
  }

  /** Runs it to its end and gives its exit code; 128 and the signal's number when one ended it. */
  async run({ program, args, env, cwd }: Command): Promise<number> {
    this.#child = start(program, { args: [...args], env: { ...env }, cwd });
    try {
      return (await this.#child.status).code;
    } finally {
      this.#child = null;
      this.#cancelKill?.();
    }
  }

  [Symbol.dispose](): void {
    this.#cancelKill?.();
    for (const [signal, listener] of this.#listeners) Deno.removeSignalListener(signal, listener);
  }

  #receive(signal: Deno.Signal): void {
    const child = this.#child;
    if (child === null) {
      this.#stoppedBy = signal;
      return;
    }
    if (signal === "SIGINT" && this.#interrupts++ === 0 && this.#terminal) return;
    send(child, signal);
    if (signal !== "SIGINT") {
      this.#cancelKill ??= this.#clock.after(GRACE_MS, () => send(child, "SIGKILL"));
    }
  }
}

function start(
  program: string,
  options: { args: string[]; env: Record<string, string>; cwd: string },
): Deno.ChildProcess {
  try {
    return new Deno.Command(program, {
      ...options,
      clearEnv: true,
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit",
    }).spawn();
  } catch (cause) {
    throw new SynthError(
      `${program} cannot be started: ${cause instanceof Error ? cause.message : String(cause)}`,
      { code: "agent_not_runnable", exitCode: EXIT.missingProgram, cause },
    );
  }
}

function send(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    // It has ended.
  }
}
