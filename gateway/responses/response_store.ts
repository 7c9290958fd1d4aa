/** Responses that are kept: sealed documents of an org, gone when their time is over. @module */
import { SynthError } from "@synth/core";
import type { Document, DocumentStore } from "@synth/core/storage";
import type { Sealer } from "../bridge/seal.ts";
import { isSameResponse, type Place, placeOf, placesOf } from "./response_ids.ts";
import { readStored, storedBefore, type StoredResponse, writeStored } from "./stored_response.ts";

/** How long and how large. */
export interface RetentionOptions {
  /** Milliseconds. */
  readonly ttlMs: number;
  /** Characters of the sealed document. */
  readonly maxBytes: number;
}

/** A stored response that was found. */
export interface Found {
  readonly stored: StoredResponse;
  /** Whether it has the slot of its turn. */
  readonly inSlot: boolean;
}

/** Why a response cannot be had: there is none, or its seal does not open. */
export type Absence = "absent" | "sealed";

/** A response, and those before it. */
export interface Chain {
  /** The response itself. */
  readonly last: Found | null;
  /** The oldest first, the response itself last; from the last compaction on. Not all, when `missing` or `before` is there. */
  readonly responses: readonly StoredResponse[];
  /** The first one that is not there. */
  readonly missing: { readonly id: string; readonly why: Absence } | null;
  /** Where the chain goes on beyond what its ids tell. */
  readonly before: string | null;
  /** The others that were asked for, in that order. */
  readonly others: readonly (StoredResponse | null)[];
}

const COLLECTION = "responses";

/** Stored responses over a document store. Another org's id and one that expired are both "not there". */
export class ResponseStore {
  readonly #documents: DocumentStore;
  readonly #sealer: Sealer;

  constructor(documents: DocumentStore, sealer: Sealer) {
    this.#documents = documents;
    this.#sealer = sealer;
  }

  /** Several in one round trip, in the order asked. Ids that cannot be ours are not asked for. */
  async load(org: string, ids: readonly string[]): Promise<(Found | Absence)[]> {
    const places = ids.map(placeOf);
    const read = await this.#read(org, places.flatMap((place) => place ?? []));
    return ids.map((id, i) => read(places[i] ?? NOWHERE, id));
  }

  /**
   * A response with all that is before it, and others, in one round trip.
   *
   * @param most responses that a chain may have
   * @throws {RangeError} when it has more
   */
  async chain(
    org: string,
    id: string,
    others: readonly string[],
    most: number,
  ): Promise<Chain> {
    const places = placesOf(id, most) ?? [];
    const more = others.map(placeOf);
    const read = await this.#read(org, [...places, ...more.flatMap((place) => place ?? [])]);
    const responses: StoredResponse[] = [];
    let last: Found | null = null;
    let missing: Chain["missing"] = null;
    let before: string | null = id;
    for (const place of places) {
      if (before === null) break;
      const found: Found | Absence = read(place, before);
      if (typeof found === "string") {
        missing = { id: before, why: found };
        break;
      }
      last ??= found;
      responses.unshift(found.stored);
      before = storedBefore(found.stored);
    }
    if (places.length === 0) missing = { id, why: "absent" };
    return {
      last,
      responses,
      missing,
      before: missing === null ? before : null,
      others: others.map((other, i) => {
        const found = read(more[i] ?? NOWHERE, other);
        return typeof found === "string" ? null : found.stored;
      }),
    };
  }

  /** Keeps a response. @throws {SynthError} `response_too_large`, or what the store throws */
  async save(org: string, stored: StoredResponse, options: RetentionOptions): Promise<void> {
    const { slot, own } = placeOf(stored.response.id) ?? NOWHERE;
    const text = writeStored(stored);
    // Base64 takes four characters for three bytes: what is surely too large need not be sealed.
    if (text.length * 4 / 3 > options.maxBytes) throw tooLarge();
    for (const [key, ifVersion] of [[slot, 0], [own, undefined]] as const) {
      if (key === null) continue;
      const sealed = await this.#sealer.sealLater({ kind: "document", text }, scope(org, key));
      if (sealed.length > options.maxBytes) throw tooLarge();
      const put = await this.#documents.put(org, COLLECTION, key, { v: 1, sealed }, {
        ttlMs: options.ttlMs,
        ...(ifVersion === undefined ? {} : { ifVersion }),
      });
      // Another one was faster and has the slot: this one is a branch.
      if (put !== null) return;
    }
  }

  /** Whether there was one. */
  async delete(org: string, id: string): Promise<boolean> {
    const place = placeOf(id);
    if (place === null) return false;
    const keys = keysOf([place]);
    const documents = await this.#documents.getMany(org, COLLECTION, keys);
    for (const [i, document] of documents.entries()) {
      const key = keys[i]!;
      if (document === null) continue;
      const { version: ifVersion } = document;
      if (key === place.own) {
        return await this.#documents.delete(org, COLLECTION, key, { ifVersion });
      }
      const stored = await this.#open(org, key, document);
      if (stored === null || !isSameResponse(stored.response.id, id)) continue;
      // The slot stays taken until it expires: what went on from this response must not go on from another.
      const gone = { v: 1, deleted: true };
      return await this.#documents.put(org, COLLECTION, key, gone, { ifVersion }) !== null;
    }
    return false;
  }

  /** Reads places at once; gives how to find a response in one of them. */
  async #read(
    org: string,
    places: readonly Place[],
  ): Promise<(place: Place, id: string) => Found | Absence> {
    const keys = keysOf(places);
    const documents = keys.length === 0 ? [] : await this.#documents.getMany(org, COLLECTION, keys);
    const opened = new Map(
      await Promise.all(documents.map(async (document, i) => {
        const key = keys[i]!;
        const stored = document === null ? null : await this.#open(org, key, document);
        return [key, {
          stored,
          sealed: stored === null && document !== null && isSealed(document),
        }] as const;
      })),
    );
    return (place, id) => {
      let why: Absence = "absent";
      for (const key of [place.own, place.slot]) {
        const one = key === null ? undefined : opened.get(key);
        if (one?.stored && isSameResponse(one.stored.response.id, id)) {
          return { stored: one.stored, inSlot: key === place.slot };
        }
        if (one?.sealed) why = "sealed";
      }
      return why;
    };
  }

  async #open(org: string, key: string, document: Document): Promise<StoredResponse | null> {
    if (!isSealed(document)) return null;
    const opened = await this.#sealer.openLater(document.value.sealed, scope(org, key));
    return opened?.kind === "document" ? readStored(opened.text) : null;
  }
}

const NOWHERE: Place = { slot: null, own: null };

function keysOf(places: readonly Place[]): string[] {
  return [...new Set(places.flatMap(({ slot, own }) => [slot, own]))].filter((key) => key !== null);
}

function isSealed(
  document: Document,
): document is Document & { readonly value: { readonly sealed: string } } {
  const { value } = document;
  return typeof value === "object" && value !== null && !Array.isArray(value) && value["v"] === 1 &&
    typeof value["sealed"] === "string";
}

function tooLarge(): SynthError {
  return new SynthError("The response is too large to be stored", {
    code: "response_too_large",
    status: 413,
  });
}

/** Its place is part of the seal: a document that was put in another's does not open. */
function scope(org: string, key: string): { org: string; model: string } {
  return { org, model: `response ${key}` };
}
