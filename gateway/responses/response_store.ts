/** Responses that are kept: sealed documents of an org, gone when their time is over. @module */
import { type Json, SynthError } from "@synth/core";
import type { InputItem } from "@synth/core/api";
import type { DocumentStore } from "@synth/core/storage";
import type { ResponseObject } from "../bridge/response_object.ts";
import type { Sealer } from "../bridge/seal.ts";

/** One stored response. */
export interface StoredResponse {
  readonly v: 1;
  /** As it went out. */
  readonly response: ResponseObject;
  /** The input of this turn alone; every item has an id. */
  readonly input: readonly InputItem[];
  /** Responses before this one, the oldest first, at most a block of them; the first one's ancestors go on. */
  readonly ancestors: readonly string[];
  /** The session that paid. */
  readonly session: string | null;
}

/** How long and how large. */
export interface RetentionOptions {
  /** Milliseconds. */
  readonly ttlMs: number;
  /** Characters of the sealed document. */
  readonly maxBytes: number;
}

const COLLECTION = "responses";
const ID = /^resp_[0-9a-v]{32}$/;

/** Stored responses over a document store. Another org's id, a spoilt document and one that expired are all "not there". */
export class ResponseStore {
  readonly #documents: DocumentStore;
  readonly #sealer: Sealer;

  constructor(documents: DocumentStore, sealer: Sealer) {
    this.#documents = documents;
    this.#sealer = sealer;
  }

  /** Several in one round trip, in the order asked. Ids that cannot be ours are not asked for. */
  async load(org: string, ids: readonly string[]): Promise<(StoredResponse | null)[]> {
    const known = ids.filter((id) => ID.test(id));
    if (known.length === 0) return ids.map(() => null);
    const documents = await this.#documents.getMany(org, COLLECTION, known);
    const byId = new Map(known.map((id, i) => [id, documents[i]?.value]));
    return await Promise.all(ids.map((id) => this.#open(org, id, byId.get(id))));
  }

  /** Keeps a response. @throws {SynthError} `response_too_large`, or what the store throws */
  async save(org: string, stored: StoredResponse, options: RetentionOptions): Promise<void> {
    const { id } = stored.response;
    const text = JSON.stringify(stored).toWellFormed();
    // Base64 takes four characters for three bytes: what is surely too large need not be sealed.
    if (text.length * 4 / 3 > options.maxBytes) throw tooLarge();
    const sealed = await this.#sealer.sealLater({ kind: "document", text }, scope(org, id));
    if (sealed.length > options.maxBytes) throw tooLarge();
    await this.#documents.put(org, COLLECTION, id, { v: 1, sealed }, { ttlMs: options.ttlMs });
  }

  /** Whether there was one. */
  async delete(org: string, id: string): Promise<boolean> {
    return ID.test(id) && await this.#documents.delete(org, COLLECTION, id);
  }

  async #open(org: string, id: string, value: Json | undefined): Promise<StoredResponse | null> {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
    if (value["v"] !== 1 || typeof value["sealed"] !== "string") return null;
    const opened = await this.#sealer.openLater(value["sealed"], scope(org, id));
    if (opened?.kind !== "document") return null;
    const stored: StoredResponse = JSON.parse(opened.text);
    return stored.v === 1 ? stored : null;
  }
}

function tooLarge(): SynthError {
  return new SynthError("The response is too large to be stored", {
    code: "response_too_large",
    status: 413,
  });
}

/** The id is part of the seal: a document that was put in another's place does not open. */
function scope(org: string, id: string): { org: string; model: string } {
  return { org, model: `response ${id}` };
}
