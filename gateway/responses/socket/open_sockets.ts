/** The WebSockets that are open: how many each key has, and how all are ended. @module */
import { type Clock, SynthError } from "@synth/core";

/** A connection, as far as its end is concerned. */
export interface Drainable {
  /** Ends it as soon as no response is being made on it. */
  drain(): void;
}

/** Milliseconds that a connection lives: the protocol's 60 minutes. */
export const MAX_LIFE_MS = 3_600_000;
/** A connection of which no end was ever told (an isolate can lose one) stops to count after its lifetime and so many milliseconds. */
const LOST_MS = 900_000;

/** Counts connections by key. */
export class OpenSockets {
  readonly #clock: Clock;
  /** By key: its connections with the monotonic time of their opening. */
  readonly #open: Map<string, Map<Drainable, number>> = new Map();
  #draining = false;
  #onNone: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Connections of all keys. */
  get size(): number {
    let size = 0;
    for (const connections of this.#open.values()) size += connections.size;
    return size;
  }

  /** Whether the key may have one more. @throws {SynthError} 429 `too_many_websockets` */
  admit(keyId: string, most: number): void {
    const connections = this.#open.get(keyId);
    if (connections === undefined || connections.size < most) return;
    const oldest = this.#clock.monotonic() - MAX_LIFE_MS - LOST_MS;
    for (const [connection, openedAt] of connections) {
      if (openedAt < oldest) connections.delete(connection);
    }
    if (connections.size < most) return;
    throw new SynthError(`This key has ${most} WebSockets open`, {
      code: "too_many_websockets",
      status: 429,
      hint: "Close one, use POST over HTTP, or raise [gateway] websockets_per_key",
      headers: { "retry-after": "5" },
      details: { limit: most },
    });
  }

  add(keyId: string, connection: Drainable): void {
    const connections = this.#open.get(keyId) ?? new Map<Drainable, number>();
    connections.set(connection, this.#clock.monotonic());
    this.#open.set(keyId, connections);
    if (this.#draining) connection.drain();
  }

  remove(keyId: string, connection: Drainable): void {
    const connections = this.#open.get(keyId);
    if (connections === undefined || !connections.delete(connection)) return;
    if (connections.size === 0) this.#open.delete(keyId);
    if (this.#open.size > 0) return;
    const waiting = this.#onNone;
    this.#onNone = [];
    for (const resolve of waiting) resolve();
  }

  /** Ends all connections, each when it has finished its response. */
  drain(): void {
    this.#draining = true;
    for (const connections of [...this.#open.values()]) {
      for (const connection of [...connections.keys()]) connection.drain();
    }
  }

  /** Resolves when none is open. */
  closed(): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onNone.push(resolve));
  }
}
