/**
 * One turn: upstream bytes through the parser to a translation, until its last event, and the settlement before that goes out.
 * A stream and a whole answer are driven by the same steps.
 *
 * @module
 */
import type { Clock } from "@synth/core";
import { SseParser } from "@synth/core/sse";
import type { TurnEnd } from "../bridge/stream/machine.ts";
import { UPSTREAM_REFUSALS } from "../bridge/upstream_refusals.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { Admission } from "../sessions/admission.ts";
import type { Lease } from "../sessions/lease.ts";
import { settledInTime } from "../sessions/settled_in_time.ts";
import type { ByteSource, WholeAnswer } from "../upstreams/transport.ts";
import { withoutKey } from "../upstreams/without_key.ts";
import type { Translation } from "./translation.ts";
import { errorData } from "./error_data.ts";
import { turnError } from "./turn_error.ts";
import { Watch } from "./watch.ts";

/** What a turn runs on. */
export interface TurnOptions {
  readonly context: RequestContext;
  readonly admission: Admission;
  readonly lease: Lease;
  readonly translation: Translation;
  readonly source: ByteSource;
  /** The upstream's key: masked, should the upstream quote it. */
  readonly secret: string | null;
  /** Milliseconds without a byte from the upstream. */
  readonly idleTimeoutMs: number;
  /** Done beside the settlement, before the last event goes out. Never rejects. */
  readonly onEnd?: () => Promise<void>;
}

type Stop = Omit<TurnEnd, "now">;

/** A stream is cut when it has this many bytes for every token that was granted: no honest token is longer on average. */
const BYTES_PER_TOKEN = 16;
/** Milliseconds that the upstream gets to end its stream after `[DONE]`, so that its connection can be used again. */
const LINGER_MS = 1000;
/** What the log says when the client went: no failure of anybody's. */
const CLIENT_GONE = { outcome: "aborted", error_code: "client_closed_request" };

/** Drives one turn. */
export class Turn {
  readonly #options: TurnOptions;
  readonly #clock: Clock;
  readonly #translation: Translation;
  readonly #parser: SseParser;
  readonly #idle: Watch;
  readonly #maxBytes: number;
  #reading = false;
  #sawDone = false;
  #begun = false;
  #stop: Stop | null = null;
  #closing: Promise<void> | null = null;
  #over = false;

  constructor(options: TurnOptions) {
    const { context, lease } = options;
    this.#options = options;
    this.#clock = context.clock;
    this.#translation = options.translation;
    this.#parser = new SseParser({ onEvent: (data, type) => this.#event(data, type) });
    this.#maxBytes = lease.maxOutputTokens === null
      ? Infinity
      : lease.maxOutputTokens * lease.choices * BYTES_PER_TOKEN;
    this.#idle = new Watch(context.clock, options.idleTimeoutMs, () => this.#onIdle());
    context.signal.addEventListener("abort", this.#onAbort, { once: true });
    if (context.signal.aborted) this.#onAbort();
  }

  /** Whether the last event is out and the lease is settled (or its settlement is left to the background). */
  get over(): boolean {
    return this.#over;
  }

  /** Whether the turn has ended, its last event being held back until the lease is settled. */
  get ending(): boolean {
    return !this.#over && (this.#closing !== null || this.#translation.done);
  }

  /** Reads what has arrived and translates it. At the end of the turn it settles, too. Never rejects. */
  async step(): Promise<void> {
    if (this.#closing !== null) return await this.#closing;
    this.#reading = true;
    this.#idle.touch();
    try {
      const { source } = this.#options;
      const answer = this.#stop === null ? source.takeEvent?.() ?? null : null;
      if (answer !== null) this.#takeWhole(answer);
      else {
        const bytes = await source.read();
        if (this.#stop === null) this.#take(bytes);
      }
    } catch (error) {
      this.#stop ??= { reason: "error", error: turnError(error) };
    }
    this.#reading = false;
    if (this.#stop !== null || this.#translation.done) await this.#end();
  }

  /** The client is gone: stops the upstream and settles what was produced. */
  abandon(): void {
    this.#interrupt({ reason: "aborted" });
  }

  #take(bytes: Uint8Array | null): void {
    if (bytes === null) this.#parser.end();
    else this.#parser.push(bytes);
    if (this.#sawDone) this.#stop ??= { reason: "done" };
    else if (bytes === null) this.#stop ??= { reason: "eof" };
    else if (this.#translation.outputBytes > this.#maxBytes) this.#stop ??= { reason: "cut" };
    if (!this.#begun && this.#translation.started) this.#noteFirst();
  }

  /** An answer that is one event, and complete with it. */
  #takeWhole({ text, json }: WholeAnswer): void {
    // The upstream's key is masked in it already.
    if (!this.#translation.done) this.#translation.event(text, json);
    this.#sawDone = true;
    this.#stop ??= { reason: "done" };
    if (!this.#begun && this.#translation.started) this.#noteFirst();
  }

  #event(data: string, type: string): void {
    if (this.#sawDone || this.#translation.done) return;
    if (data.length < 16 && data.trim() === "[DONE]") {
      this.#sawDone = true;
      return;
    }
    const masked = withoutKey(data, this.#options.secret);
    this.#translation.event(type === "error" ? errorData(masked) : masked);
  }

  #onIdle(): void {
    // While the client takes nothing, nothing is asked of the upstream, and its silence says nothing.
    if (this.#reading) this.#interrupt({ reason: "idle" });
  }

  readonly #onAbort = (): void => {
    const { abortReason, streaming } = this.#options.context;
    // Where the runtime does not cancel the stream of a client that is gone, the signal stands for that.
    if (streaming && abortReason?.code === "client_closed_request") return this.abandon();
    this.#interrupt({ reason: "error", error: turnError(abortReason) });
  };

  /** Ends the turn from outside; a read that waits is woken. */
  #interrupt(stop: Stop): void {
    if (this.#closing !== null) return;
    this.#stop ??= stop;
    this.#options.source.cancel();
    if (!this.#reading) void this.#end();
  }

  #end(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { context, source, admission, lease } = this.#options;
    this.#idle.stop();
    context.signal.removeEventListener("abort", this.#onAbort);
    const now = Math.floor(this.#clock.now() / 1000);
    this.#translation.finish({ ...(this.#stop ?? { reason: "done" }), now });
    if (this.#sawDone || this.#translation.complete === true) void linger(source, this.#clock);
    else source.cancel();
    const { usage, outputBytes, uncountedBytes } = this.#translation;
    const outcome = this.#translation.outcome();
    Object.assign(context.fields, outcome);
    if (this.#stop?.reason === "cut") context.fields["cut"] = true;
    if (this.#stop?.reason === "aborted") Object.assign(context.fields, CLIENT_GONE);
    const refused = outputBytes === 0 && !usage.reported &&
      UPSTREAM_REFUSALS.has(outcome["error_code"]);
    if (!refused) {
      context.fields["input_tokens"] = usage.inputTokens;
      context.fields["output_tokens"] = usage.outputTokens;
      if (!usage.reported) context.fields["usage_estimated"] = true;
    }
    const ended = refused
      ? admission.release(lease)
      : admission.settle(lease, { usage, outputBytes, uncountedBytes });
    await Promise.all([
      settledInTime(context, ended),
      this.#options.onEnd?.(),
    ]);
    this.#over = true;
    if (!context.streaming) return;
    // The client may be gone before its answer was returned.
    context.fields["status"] ??= 200;
    context.finish();
  }

  #noteFirst(): void {
    const { context } = this.#options;
    this.#begun = true;
    context.fields["ttft_ms"] = Math.round(this.#clock.monotonic() - context.startedAt);
  }
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
