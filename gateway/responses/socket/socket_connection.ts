/** One WebSocket: frames in, one response after the other out. @module */
import type { Clock } from "@synth/core";
import { SseParser } from "@synth/core/sse";
import { utf8Length } from "../../bridge/stream/utf8_length.ts";
import type { RequestContext } from "../../http/request_context.ts";
import type { Services } from "../../services.ts";
import { Watch } from "../../turn/watch.ts";
import { connectionLimitReached, tooLarge, tooManyWaiting, unexpectedBinary } from "./bad_frame.ts";
import { errorFrame } from "./error_frame.ts";
import type { LocalResponse } from "./local_response.ts";
import { type Drainable, MAX_LIFE_MS } from "./open_sockets.ts";
import { type Frame, frameRoute, isReceipt, turnRequest } from "./socket_turn.ts";

/** Frames that may wait while a response is made. */
const MAX_WAITING = 32;
/** Milliseconds without a frame of the client and without a response in the making. */
const IDLE_MS = 900_000;
/** Bytes that a client may leave lying before its upstream is no longer read. */
const HIGH_WATER = 1024 * 1024;
/** Milliseconds in which a client must take something of what lies there. */
const SLOW_MS = 60_000;
/** Milliseconds between two looks at what lies there: sockets do not tell. */
const LOOK_MS = 50;
/** Milliseconds that the client gets to confirm the end. */
const CLOSE_MS = 5000;

/** Close codes (RFC 6455, and the registry). */
const CLOSE = { normal: 1000, goingAway: 1001, policy: 1008, tryAgainLater: 1013 } as const;

/** Serves one WebSocket until it ends. */
export class SocketConnection implements Drainable {
  readonly #socket: WebSocket;
  readonly #context: RequestContext;
  readonly #services: Services;
  readonly #clock: Clock;
  readonly #onEnd: (connection: SocketConnection) => void;
  readonly #gone: AbortController = new AbortController();
  readonly #waiting: Frame[] = [];
  readonly #idle: Watch;
  readonly #stopLife: () => void;
  #stopClosing: () => void = () => {};
  /** Of the turn that runs: one for the whole connection would keep every turn's listener. */
  #turn: AbortController | null = null;
  #waitingBytes = 0;
  #busy = false;
  #draining = false;
  #expired = false;
  #closed = false;
  #ended = false;
  #local: LocalResponse | null = null;

  /** @param context the request that became the socket @param onEnd called once, when nothing goes over it any more */
  constructor(
    socket: WebSocket,
    context: RequestContext,
    services: Services,
    onEnd: (connection: SocketConnection) => void,
  ) {
    this.#socket = socket;
    this.#context = context;
    this.#services = services;
    this.#clock = context.clock;
    this.#onEnd = onEnd;
    socket.addEventListener("message", (event) => this.#onMessage(event.data));
    socket.addEventListener("close", () => this.#end());
    socket.addEventListener("error", () => this.#end());
    this.#idle = new Watch(context.clock, IDLE_MS, () => {
      if (!this.#busy) this.#close(CLOSE.normal, "nothing was sent for a long time");
    });
    this.#stopLife = context.clock.after(MAX_LIFE_MS, () => {
      this.#expired = true;
      this.#closeWhenIdle();
    });
  }

  drain(): void {
    this.#draining = true;
    this.#closeWhenIdle();
  }

  #onMessage(data: unknown): void {
    if (this.#closed) return;
    this.#idle.touch();
    if (this.#waiting.length >= MAX_WAITING) {
      return this.#close(CLOSE.policy, "too many frames wait for an answer");
    }
    const frame = this.#frame(data);
    if (isReceipt(frame)) return;
    this.#waiting.push(frame);
    this.#waitingBytes += frame.bytes;
    if (!this.#busy) void this.#work();
  }

  /** What is refused is answered in its turn, too: the client must not take it for the end of the response before. */
  #frame(data: unknown): Frame {
    if (typeof data !== "string") return { bytes: 0, refused: unexpectedBinary() };
    const { max_body_bytes: most } = this.#context.snapshot.config.gateway;
    const bytes = data.length > most ? data.length : utf8Length(data);
    if (bytes > most) return { bytes: 0, refused: tooLarge(most) };
    if (this.#waitingBytes + bytes > most) return { bytes: 0, refused: tooManyWaiting() };
    return { bytes, text: data };
  }

  async #work(): Promise<void> {
    this.#busy = true;
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) {
      await this.#answer(frame);
    }
    this.#busy = false;
    this.#idle.touch();
    if (this.#draining || this.#expired) this.#closeWhenIdle();
  }

  #next(): Frame | undefined {
    if (this.#closed || this.#expired) return undefined;
    const frame = this.#waiting.shift();
    if (frame !== undefined) this.#waitingBytes -= frame.bytes;
    return frame;
  }

  async #answer(frame: Frame): Promise<void> {
    const { info } = this.#context;
    const memory = { local: this.#local, named: null, made: null };
    const route = frameRoute(frame, this.#context.id, memory);
    const turn = new AbortController();
    this.#turn = turn;
    const response = await this.#services.run(route, turnRequest(this.#context.request), {
      ...info,
      clientGone: turn.signal,
    });
    const good = await this.#pass(response);
    this.#turn = null;
    this.#remember(memory, good);
  }

  /** A continuation that failed makes the response before it unknown: so says the protocol. */
  #remember(
    { named, made }: { named: string | null; made: LocalResponse | null },
    good: boolean,
  ): void {
    if (good && made !== null) this.#local = made;
    else if (!good && named !== null && named === this.#local?.id) this.#local = null;
  }

  /** Sends what a `POST` would have been answered with. Whether that was no failure. */
  async #pass(response: Response): Promise<boolean> {
    const { status, headers, body } = response;
    if (status === 200 && body !== null && isEvents(headers)) return await this.#events(body);
    const told: unknown = await response.json().catch(() => null);
    this.#send(errorFrame(status < 400 ? 500 : status, told, headers));
    return false;
  }

  async #events(body: ReadableStream<Uint8Array>): Promise<boolean> {
    let good = false;
    const parser = new SseParser({
      onEvent: (data, type) => {
        if (data === "[DONE]") return;
        good = type === "response.completed" || type === "response.incomplete";
        this.#send(data);
      },
    });
    const reader = body.getReader();
    try {
      while (await this.#room()) {
        const { done, value } = await reader.read();
        if (done) {
          parser.end();
          return good;
        }
        parser.push(value);
      }
    } catch {
      if (!good) this.#send(errorFrame(500, null, new Headers()));
      return good;
    }
    await reader.cancel().catch(() => {});
    return false;
  }

  /** Resolves when the client has taken enough of what was sent; `false` when it is gone or takes nothing. */
  async #room(): Promise<boolean> {
    const { signal } = this.#gone;
    let least = Infinity;
    let since = 0;
    while (!signal.aborted && (this.#socket.bufferedAmount ?? 0) > HIGH_WATER) {
      const now = this.#clock.monotonic();
      if (this.#socket.bufferedAmount < least) {
        least = this.#socket.bufferedAmount;
        since = now;
      } else if (now - since >= SLOW_MS) {
        this.#close(CLOSE.tryAgainLater, "the client does not read");
        return false;
      }
      await this.#clock.sleep(LOOK_MS, signal).catch(() => {});
    }
    return !signal.aborted;
  }

  #send(text: string): void {
    if (this.#closed) return;
    try {
      this.#socket.send(text);
    } catch {
      this.#end();
    }
  }

  #closeWhenIdle(): void {
    if (this.#busy || this.#closed) return;
    if (this.#expired) {
      const error = connectionLimitReached();
      this.#send(errorFrame(error.status, error.toBody(), new Headers()));
    }
    this.#close(CLOSE.goingAway, this.#draining ? "the gateway is shutting down" : "open too long");
  }

  #close(code: number, reason: string): void {
    if (this.#closed) return;
    this.#stop();
    try {
      this.#socket.close(code, reason);
    } catch {
      // The other end was faster.
    }
    this.#stopClosing = this.#clock.after(CLOSE_MS, () => this.#end());
  }

  /** The connection is over: who waits for an answer is gone. */
  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stop();
    this.#stopClosing();
    try {
      // workerd leaves it to us to confirm the client's close.
      this.#socket.close();
    } catch {
      // It is closed.
    }
    this.#onEnd(this);
  }

  #stop(): void {
    this.#closed = true;
    this.#waiting.length = 0;
    this.#local = null;
    this.#idle.stop();
    this.#stopLife();
    this.#gone.abort();
    this.#turn?.abort();
  }
}

function isEvents(headers: Headers): boolean {
  return (headers.get("content-type") ?? "").startsWith("text/event-stream");
}
