/** Bytes that a network callback pushes and one reader pulls, joined when they wait together. @module */
import { joinBytes } from "@synth/core";
import type { ByteSource } from "./transport.ts";

/** Above this many unread bytes {@linkcode ByteQueue.push} asks its producer to pause. */
const HIGH_WATER = 256 * 1024;

/** A push-to-pull queue of bytes. */
export class ByteQueue implements ByteSource {
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #ended = false;
  #error: unknown = null;
  #waiting:
    | { resolve: (bytes: Uint8Array | null) => void; reject: (error: unknown) => void }
    | null = null;
  readonly #onCancel: () => void;
  readonly #onDrained: () => void;

  /**
   * @param onCancel called once when the reader gives up.
   * @param onDrained called when the reader has taken all that was queued.
   */
  constructor(onCancel: () => void, onDrained: () => void) {
    this.#onCancel = onCancel;
    this.#onDrained = onDrained;
  }

  /** Adds bytes. Returns false when the producer should pause until it is told that the queue is drained. */
  push(bytes: Uint8Array): boolean {
    if (this.#ended) return true;
    this.#chunks.push(bytes);
    this.#bytes += bytes.length;
    const waiting = this.#waiting;
    if (waiting !== null && this.#chunks.length === 1) queueMicrotask(() => this.#deliver());
    return this.#bytes < HIGH_WATER;
  }

  /** No more bytes. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#deliver();
  }

  /** Bytes that were pushed before stay readable; the read after them rejects. */
  fail(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#deliver();
  }

  read(): Promise<Uint8Array | null> {
    if (this.#bytes > 0) return Promise.resolve(this.#take());
    if (this.#ended) {
      return this.#error === null ? Promise.resolve(null) : Promise.reject(this.#error);
    }
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  cancel(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#chunks = [];
    this.#bytes = 0;
    this.#deliver();
    this.#onCancel();
  }

  #deliver(): void {
    const waiting = this.#waiting;
    if (waiting === null) return;
    this.#waiting = null;
    if (this.#bytes > 0) waiting.resolve(this.#take());
    else if (!this.#ended) this.#waiting = waiting;
    else if (this.#error === null) waiting.resolve(null);
    else waiting.reject(this.#error);
  }

  #take(): Uint8Array {
    const chunks = this.#chunks;
    this.#chunks = [];
    const size = this.#bytes;
    this.#bytes = 0;
    if (size >= HIGH_WATER) this.#onDrained();
    return joinBytes(chunks);
  }
}
