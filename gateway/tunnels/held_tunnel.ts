/** A tunnel that is worked on: written only from the version that was read, so that two never work on the same. @module */
import { SynthError } from "@synth/core";
import type { Part } from "./provider.ts";
import { planOf, type TunnelDocument, type Versioned } from "./tunnel_document.ts";
import type { TunnelPlan } from "./provider.ts";
import type { TunnelStore } from "./tunnel_store.ts";

/** The tunnel as it is known here, and what the store has of it. */
export class HeldTunnel {
  readonly #store: TunnelStore;
  #tunnel: TunnelDocument;
  #version: number;

  constructor(store: TunnelStore, { tunnel, version }: Versioned) {
    this.#store = store;
    this.#tunnel = tunnel;
    this.#version = version;
  }

  get tunnel(): TunnelDocument {
    return this.#tunnel;
  }

  get plan(): TunnelPlan {
    return planOf(this.#tunnel);
  }

  /** Knows something that the store is told with the next {@linkcode save}. */
  note(change: Partial<TunnelDocument>): void {
    this.#tunnel = { ...this.#tunnel, ...change };
  }

  /** Knows that a part is there, and by which id. */
  made(part: Part, id: string): void {
    this.note({ parts: { ...this.#tunnel.parts, [part]: id } });
  }

  /** Knows that a part is not there. */
  unmade(part: Part): void {
    const { begun, parts } = this.#tunnel;
    this.note({
      begun: begun.filter((one) => one !== part),
      parts: { ...parts, [part]: null },
    });
  }

  /** Writes what is known. @throws {SynthError} 409 `tunnel_interrupted` when somebody else has written */
  async save(change: Partial<TunnelDocument> = {}): Promise<void> {
    this.note(change);
    const put = await this.#store.replace(this.#tunnel, this.#version);
    if (put === null) throw interrupted();
    this.#version = put.version;
  }

  /** Takes it out of the store, and gives its name back before. @throws {SynthError} 409 `tunnel_interrupted` */
  async remove(): Promise<void> {
    await this.#store.release(this.#tunnel);
    if (!await this.#store.remove(this.#tunnel, this.#version)) throw interrupted();
  }

  /** Gives its name back. */
  async release(): Promise<void> {
    await this.#store.release(this.#tunnel);
    this.note({ hostname: "" });
  }
}

function interrupted(): SynthError {
  return new SynthError("Somebody else has changed this tunnel meanwhile", {
    code: "tunnel_interrupted",
    status: 409,
    hint: "Try again",
  });
}
