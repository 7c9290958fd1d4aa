/**
 * One turn: upstream bytes through parser and machine to events, until the one terminal event, and the settlement before it.
 * A stream and a whole answer are driven by the same steps.
 *
 * @module
 */
import { type Clock, newId } from "@synth/core";
import { SseParser } from "@synth/core/sse";
import type { TurnPlan } from "../bridge/plan.ts";
import type { Sealed, Sealer } from "../bridge/seal.ts";
import { ResponseMachine, type TurnEnd } from "../bridge/stream/machine.ts";
import type { EventSink } from "../bridge/stream/sink.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { Admission } from "../sessions/admission.ts";
import type { Lease } from "../sessions/lease.ts";
import { withoutKey } from "../upstreams/failure_error.ts";
import type { ByteSource } from "../upstreams/transport.ts";
import { turnError } from "./turn_error.ts";
import { Watch } from "./watch.ts";

/** What a turn runs on. */
export interface TurnOptions {
  readonly context: RequestContext;
  readonly admission: Admission;
  readonly lease: Lease;
  readonly plan: TurnPlan;
  readonly sealer: Sealer | null;
  readonly sink: EventSink;
  readonly source: ByteSource;
  /** The upstream's key: masked, should the upstream quote it. */
  readonly secret: string | null;
  /** Milliseconds without a byte from the upstream. */
  readonly idleTimeoutMs: number;
}

/** A stream is cut when it has this many bytes for every token that was granted: no honest token is longer on average. */
const BYTES_PER_TOKEN = 16;
/** Milliseconds that the terminal event waits for the settlement at most. */
const SETTLE_MS = 2000;
/** Milliseconds that the upstream gets to end its stream after `[DONE]`, so that its connection can be used again. */
const LINGER_MS = 1000;

/** Drives one turn. */
export class Turn {
  readonly machine: ResponseMachine;
  readonly #options: TurnOptions;
  readonly #clock: Clock;
  readonly #parser: SseParser;
  readonly #idle: Watch;
  readonly #maxBytes: number;
  #reading = false;
  #sawDone = false;
  #stop: Omit<TurnEnd, "now"> | null = null;
  #over: Promise<void> | null = null;
  #isOver = false;

  constructor(options: TurnOptions) {
    const { context, plan, lease } = options;
    this.#options = options;
    this.#clock = context.clock;
    this.machine = new ResponseMachine(plan, {
      responseId: newId("resp_"),
      createdAt: seconds(context.clock),
      newId,
      seal: (content) => sealed(options, content),
      sink: options.sink,
    });
    this.#parser = new SseParser({ onEvent: (data) => this.#event(data) });
    this.#maxBytes = lease.maxOutputTokens === null
      ? Infinity
      : lease.maxOutputTokens * BYTES_PER_TOKEN;
    this.#idle = new Watch(context.clock, options.idleTimeoutMs, () => this.#onIdle());
    context.signal.addEventListener("abort", this.#onAbort, { once: true });
    if (context.signal.aborted) this.#onAbort();
  }

  /** Whether the terminal event is out and the lease is settled (or its settlement is left to the background). */
  get over(): boolean {
    return this.#isOver;
  }

  /** Reads what has arrived and translates it. At the end of the turn it settles, too. Never rejects. */
  async step(): Promise<void> {
    if (this.#over !== null) return await this.#over;
    this.#reading = true;
    this.#idle.touch();
    try {
      const bytes = await this.#options.source.read();
      if (this.#stop === null) this.#take(bytes);
    } catch (error) {
      this.#stop ??= { reason: "error", error: turnError(error) };
    }
    this.#reading = false;
    if (this.#stop !== null || this.machine.done) await this.#end();
  }

  /** The client is gone: stops the upstream and settles what was produced. */
  abandon(): void {
    this.#interrupt({ reason: "aborted" });
  }

  #take(bytes: Uint8Array | null): void {
    if (bytes !== null) this.#parser.push(bytes);
    else {
      this.#parser.end();
      this.#stop ??= { reason: this.#sawDone ? "done" : "eof" };
    }
    if (this.#sawDone) this.#stop ??= { reason: "done" };
    else if (this.machine.outputBytes > this.#maxBytes) this.#stop ??= { reason: "cut" };
    if (this.machine.started) this.#noteFirst();
  }

  #event(data: string): void {
    if (this.#sawDone) return;
    if (data.trim() === "[DONE]") {
      this.#sawDone = true;
      return;
    }
    let chunk: unknown;
    try {
      chunk = JSON.parse(withoutKey(data, this.#options.secret));
    } catch {
      chunk = undefined;
    }
    this.machine.chunk(chunk);
  }

  #onIdle(): void {
    // While the client takes nothing, nothing is asked of the upstream, and its silence says nothing.
    if (this.#reading) this.#interrupt({ reason: "idle" });
  }

  readonly #onAbort = (): void => {
    this.#interrupt({ reason: "error", error: turnError(this.#options.context.abortReason) });
  };

  /** Ends the turn from outside; a read that waits is woken. */
  #interrupt(end: Omit<TurnEnd, "now">): void {
    if (this.#over !== null) return;
    this.#stop ??= end;
    this.#options.source.cancel();
    if (!this.#reading) void this.#end();
  }

  #end(): Promise<void> {
    this.#over ??= this.#close();
    return this.#over;
  }

  async #close(): Promise<void> {
    const { context, source, admission, lease } = this.#options;
    this.#idle.stop();
    context.signal.removeEventListener("abort", this.#onAbort);
    this.machine.finish({ ...(this.#stop ?? { reason: "done" }), now: seconds(this.#clock) });
    if (this.#sawDone) void linger(source, this.#clock);
    else source.cancel();
    const { usage, outputBytes } = this.machine.result;
    noteUsage(context, this.machine);
    const settled = admission.settle(lease, { usage, outputBytes });
    await this.#within(settled);
    this.#isOver = true;
    if (context.streaming) context.finish();
  }

  /** Waits for the settlement, but not for ever: the rest is done in the background. */
  async #within(settled: Promise<void>): Promise<void> {
    let stop = (): void => {};
    const late = new Promise<"late">((resolve) => {
      stop = this.#clock.after(SETTLE_MS, () => resolve("late"));
    });
    const outcome = await Promise.race([settled.then(() => "done", () => "failed"), late]);
    stop();
    if (outcome === "late") this.#options.context.waitUntil(settled);
    if (outcome !== "done") this.#options.context.fields["settlement"] = outcome;
  }

  #noteFirst(): void {
    const { context } = this.#options;
    context.fields["ttft_ms"] ??= Math.round(this.#clock.monotonic() - context.startedAt);
  }
}

function noteUsage(context: RequestContext, machine: ResponseMachine): void {
  const { usage, response, suppressedCalls } = machine.result;
  context.fields["outcome"] = response?.status ?? "failed";
  if (response?.error) context.fields["error_code"] = response.error.code;
  context.fields["input_tokens"] = usage.inputTokens;
  context.fields["output_tokens"] = usage.outputTokens;
  if (!usage.reported) context.fields["usage_estimated"] = true;
  if (suppressedCalls > 0) context.fields["suppressed_calls"] = suppressedCalls;
}

function sealed(options: TurnOptions, payload: Sealed): string {
  const { sealer, context, plan } = options;
  if (sealer === null) throw new Error("no seal was planned");
  return sealer.seal(payload, { org: context.principal.org, model: plan.chat.model });
}

function seconds(clock: Clock): number {
  return Math.floor(clock.now() / 1000);
}

/** Reads the end of the stream for a moment: a connection that is read to its end can be used again. */
async function linger(source: ByteSource, clock: Clock): Promise<void> {
  const stop = clock.after(LINGER_MS, () => source.cancel());
  try {
    while (await source.read() !== null);
  } catch {
    // The answer is complete; how the connection ends is nobody's concern.
  }
  stop();
}
