/** Removes tunnels: at once, and what a crash or a failure has left half done later, by whoever comes next. @module */
import type { Clock } from "@synth/core";
import { HeldTunnel } from "./held_tunnel.ts";
import { removeParts } from "./make_parts.ts";
import { PARTS } from "./provider.ts";
import type { Versioned } from "./tunnel_document.ts";
import { type TunnelServiceOptions, withProvider } from "./tunnel_service_options.ts";
import type { JournalEntry, TunnelStore } from "./tunnel_store.ts";

/** Milliseconds for removing a tunnel. */
export const UNDO_MS = 9_000;
/** Milliseconds after which somebody who has not finished has surely stopped. */
export const GIVEN_UP_MS = 60_000;
/** Milliseconds after which a request that had no answer is carried out or never. */
const SETTLED_MS = 120_000;
/** Milliseconds until what could not be removed is tried again. */
const AGAIN_MS = 30_000;
/** Milliseconds after which a line of the journal without a tunnel to make or remove is nobody's. */
const STRAY_MS = 600_000;
/** Tunnels that one sweep finishes at most. */
const SWEEP = 3;
const JOURNAL_PAGES = 10;

/** Takes tunnels away. */
export class TunnelRemover {
  readonly #options: TunnelServiceOptions;
  readonly #store: TunnelStore;
  readonly #clock: Clock;

  constructor(options: TunnelServiceOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#clock = options.clock;
  }

  /** Takes back what had been made of a tunnel that will not be. Never rejects: the journal knows what is left. */
  async undo(held: HeldTunnel): Promise<void> {
    try {
      await this.#clear(held, false);
    } catch (error) {
      const { id, org, begun } = held.tunnel;
      this.#options.log.warn("a tunnel was left half made", { tunnel_id: id, org, begun, error });
    }
  }

  /** Removes a tunnel. @param final whether requests without an answer are over @returns whether all of it is gone */
  async remove(found: Versioned, final: boolean): Promise<boolean> {
    const held = new HeldTunnel(this.#store, found);
    const { phase, begun } = found.tunnel;
    const now = this.#clock.now();
    await held.save({
      phase: "deleting",
      begun: phase === "active" ? PARTS : begun,
      credentials: null,
      heldUntil: now + UNDO_MS + GIVEN_UP_MS,
      sweepAt: now + UNDO_MS + GIVEN_UP_MS,
    });
    return await this.#clear(held, final);
  }

  /** Removes the parts, and then the tunnel from the store; or keeps what is to be tried again. */
  async #clear(held: HeldTunnel, final: boolean): Promise<boolean> {
    const { parts, error } = held.tunnel.begun.length === 0
      ? { parts: [], error: null }
      : await withProvider(this.#options, held.tunnel, UNDO_MS, (provider) =>
        removeParts(held, provider, { final }));
    if (held.tunnel.begun.length === 0) {
      await held.remove();
      return true;
    }
    const { id, org } = held.tunnel;
    if (parts.length > 0) {
      this.#options.log.warn("parts of a tunnel are left, and will be removed later", {
        tunnel_id: id,
        org,
        parts,
        ...(error === null ? {} : { error }),
      });
    }
    if (!held.tunnel.begun.includes("record")) await held.release();
    const { begun, parts: ids } = held.tunnel;
    const unsure = begun.some((part) => ids[part] === null);
    const sweepAt = this.#clock.now() + (unsure ? SETTLED_MS : AGAIN_MS);
    await held.save({ phase: "deleting", credentials: null, heldUntil: 0, sweepAt });
    return false;
  }

  async #sweepOne({ org, id, at, version }: JournalEntry): Promise<boolean> {
    const now = this.#clock.now();
    const found = await this.#store.get(org, id);
    if (found === null) {
      const stray = at + STRAY_MS < now && !await this.#store.has(org, id);
      if (stray) await this.#store.leave(id, version);
      return false;
    }
    const { phase, heldUntil, sweepAt } = found.tunnel;
    if (phase === "active") {
      if (at + STRAY_MS < now) await this.#store.leave(id, version);
      return false;
    }
    if (heldUntil > now || sweepAt > now) return false;
    try {
      await this.remove(found, true);
    } catch (error) {
      this.#options.log.warn("a tunnel could not be swept", { tunnel_id: id, org, error });
    }
    return true;
  }

  /** Finishes what others left half done, of every org. Never rejects. */
  async sweep(): Promise<void> {
    try {
      let taken = 0;
      let cursor: string | null = null;
      for (let page = 0; page < JOURNAL_PAGES && taken < SWEEP; page++) {
        const at: string | null = cursor;
        const { entries, cursor: next } = await this.#store.journal(at ?? undefined);
        for (const entry of entries) {
          if (taken < SWEEP && await this.#sweepOne(entry)) taken++;
        }
        if (next === null) return;
        cursor = next;
      }
    } catch (error) {
      this.#options.log.warn("tunnels could not be swept", { error });
    }
  }
}
