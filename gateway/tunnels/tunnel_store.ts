/**
 * Where tunnels are kept: the tunnels of each org; and for all orgs together the names that are taken, and a journal of the tunnels that are
 * being made or removed, so that whoever comes next can finish what was left half done.
 *
 * @module
 */
import type { Document, DocumentStore } from "@synth/core/storage";
import * as z from "zod";
import {
  decodeTunnel,
  encodeTunnel,
  type TunnelDocument,
  type Versioned,
} from "./tunnel_document.ts";

/** Whose something is. */
export interface TunnelOwner {
  readonly org: string;
  readonly id: string;
}

/** A line of the journal. */
export interface JournalEntry extends TunnelOwner {
  /** Milliseconds since the epoch, from which on it can be of no use any more. */
  readonly at: number;
  readonly version: number;
}

/** Which request made which tunnel. */
export interface RepeatableRequest {
  readonly fingerprint: string;
  readonly id: string;
}

const TUNNELS = "tunnels";
const GONE = "tunnels_deleted";
const REQUESTS = "tunnel_requests";
/** What belongs to no org; keys are kept there too. */
const SYSTEM = "_system";
const NAMES = "tunnel_names";
const JOURNAL = "tunnel_journal";
/** How long it is known that a tunnel was deleted. */
const GONE_MS = 30 * 24 * 3_600_000;
/** How long a repeated request is known. */
const REQUEST_MS = 24 * 3_600_000;

const Owner = z.object({ v: z.literal(1), org: z.string(), id: z.string() });
const Entry = z.object({ v: z.literal(1), org: z.string(), id: z.string(), at: z.number() });
const Request = z.object({ v: z.literal(1), fingerprint: z.string(), id: z.string() });

/** Tunnels, their names and the journal, in a {@linkcode DocumentStore}. */
export class TunnelStore {
  readonly #documents: DocumentStore;

  constructor(documents: DocumentStore) {
    this.#documents = documents;
  }

  /** Writes a new tunnel, and before it its line in the journal: one without a tunnel is harmless. */
  async add(tunnel: TunnelDocument): Promise<Versioned | null> {
    await this.enter(tunnel, tunnel.heldUntil);
    return await this.#put(tunnel, 0);
  }

  /** Writes a tunnel in the place of the version that was read. @returns `null` when somebody else has written it */
  async replace(tunnel: TunnelDocument, version: number): Promise<Versioned | null> {
    return await this.#put(tunnel, version);
  }

  /** One of an org. */
  async get(org: string, id: string): Promise<Versioned | null> {
    return versioned(await this.#documents.get(org, TUNNELS, id));
  }

  /** Whether there is one, also of a shape that this version cannot read. */
  async has(org: string, id: string): Promise<boolean> {
    return await this.#documents.get(org, TUNNELS, id) !== null;
  }

  /** The newest of an org, of one phase or of all. */
  async list(
    org: string,
    options: { readonly limit: number; readonly cursor?: string; readonly phase?: string },
  ): Promise<{ tunnels: TunnelDocument[]; cursor: string | null }> {
    const { limit, cursor, phase } = options;
    const page = await this.#documents.list(org, TUNNELS, {
      limit,
      ...(cursor === undefined ? {} : { cursor }),
      ...(phase === undefined ? {} : { index: phase }),
    });
    const tunnels = page.documents.map(versioned).flatMap((one) => one === null ? [] : one.tunnel);
    return { tunnels, cursor: page.cursor };
  }

  /** Whether a tunnel is among the oldest so many of its org. Of those that come at the same time no more find that they are. */
  async isWithin({ org, id }: TunnelDocument, count: number): Promise<boolean> {
    if (count === 0) return false;
    const page = await this.#documents.list(org, TUNNELS, { limit: count, order: "oldest" });
    return page.documents.some((document) => document.id === id);
  }

  /** Takes a tunnel away, its line in the journal last. @returns whether it stood at that version */
  async remove({ org, id }: TunnelDocument, version: number): Promise<boolean> {
    const removed = await this.#documents.delete(org, TUNNELS, id, { ifVersion: version });
    if (removed) await this.leave(id);
    return removed;
  }

  /** Remembers that a tunnel was deleted. */
  async bury({ org, id }: TunnelDocument): Promise<void> {
    await this.#documents.put(org, GONE, id, { v: 1 }, { ttlMs: GONE_MS });
  }

  /** Whether the org had this tunnel and deleted it. */
  async isBuried(org: string, id: string): Promise<boolean> {
    return await this.#documents.get(org, GONE, id) !== null;
  }

  /** Claims a name for a tunnel. @returns `null` when it is its own now, else who has it */
  async claim(hostname: string, { org, id }: TunnelDocument): Promise<TunnelOwner | null> {
    const mine = { v: 1, org, id };
    const put = await this.#documents.put(SYSTEM, NAMES, hostname, mine, { ifVersion: 0 });
    if (put !== null) return null;
    const stored = await this.#documents.get(SYSTEM, NAMES, hostname);
    const owner = Owner.safeParse(stored?.value);
    if (!owner.success) return { org: "", id: "" };
    return owner.data.org === org && owner.data.id === id ? null : owner.data;
  }

  /** Gives a name back, when it is this tunnel's. */
  async release({ hostname, org, id }: TunnelDocument): Promise<void> {
    if (hostname === "") return;
    const stored = await this.#documents.get(SYSTEM, NAMES, hostname);
    const owner = Owner.safeParse(stored?.value);
    if (stored === null || !owner.success) return;
    if (owner.data.org !== org || owner.data.id !== id) return;
    await this.#documents.delete(SYSTEM, NAMES, hostname, { ifVersion: stored.version });
  }

  /** Writes a line into the journal. */
  async enter({ org, id }: TunnelOwner, at: number): Promise<void> {
    await this.#documents.put(SYSTEM, JOURNAL, id, { v: 1, org, id, at });
  }

  /** Takes a line out of the journal. */
  async leave(id: string, version?: number): Promise<void> {
    const options = version === undefined ? {} : { ifVersion: version };
    await this.#documents.delete(SYSTEM, JOURNAL, id, options);
  }

  /** A page of the journal, the oldest lines first. */
  async journal(cursor?: string): Promise<{ entries: JournalEntry[]; cursor: string | null }> {
    const page = await this.#documents.list(SYSTEM, JOURNAL, {
      order: "oldest",
      ...(cursor === undefined ? {} : { cursor }),
    });
    const entries = page.documents.flatMap(({ value, version }) => {
      const read = Entry.safeParse(value);
      return read.success ? [{ ...read.data, version }] : [];
    });
    return { entries, cursor: page.cursor };
  }

  /** Says that a request makes a tunnel. @param instead the tunnel that it is known to have made before */
  async note(
    org: string,
    request: string,
    made: RepeatableRequest,
    instead: string | null,
  ): Promise<RepeatableRequest | null> {
    const stored = await this.#documents.get(org, REQUESTS, request);
    const known = Request.safeParse(stored?.value);
    if (stored !== null && known.success && known.data.id !== instead) return known.data;
    const put = await this.#documents.put(org, REQUESTS, request, { v: 1, ...made }, {
      ifVersion: stored?.version ?? 0,
      ttlMs: REQUEST_MS,
    });
    if (put !== null) return null;
    const other = Request.safeParse((await this.#documents.get(org, REQUESTS, request))?.value);
    return other.success ? other.data : made;
  }

  async #put(tunnel: TunnelDocument, version: number): Promise<Versioned | null> {
    const { org, id, phase } = tunnel;
    const put = await this.#documents.put(org, TUNNELS, id, encodeTunnel(tunnel), {
      ifVersion: version,
      index: phase,
    });
    return put === null ? null : { tunnel, version: put.version };
  }
}

function versioned(document: Document | null): Versioned | null {
  const tunnel = document === null ? null : decodeTunnel(document.value);
  return document === null || tunnel === null ? null : { tunnel, version: document.version };
}
