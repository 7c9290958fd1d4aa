/** The life of managed tunnels: made whole or not at all, kept, removed whole. @module */
import { type Clock, newId, SynthError } from "@synth/core";
import { idempotencyConflict } from "../sessions/api/idempotency.ts";
import { HeldTunnel } from "./held_tunnel.ts";
import { type MadeCredentials, makeParts } from "./make_parts.ts";
import { isReserved, type NameWish, randomLabels, subdomainTaken } from "./names.ts";
import { openCredentials, sealCredentials, type StoredCredentials } from "./sealed_credentials.ts";
import { NO_PARTS, type TunnelDocument, type Versioned } from "./tunnel_document.ts";
import { GIVEN_UP_MS, TunnelRemover, UNDO_MS } from "./tunnel_remover.ts";
import { type TunnelServiceOptions, withProvider } from "./tunnel_service_options.ts";
import type { TunnelStore } from "./tunnel_store.ts";

/** Who asks. */
export interface TunnelCaller {
  readonly org: string;
  readonly user: string;
  readonly admin: boolean;
}

/** What is to be made. */
export interface NewTunnel {
  readonly localHost: string;
  readonly localPort: number;
  readonly names: NameWish;
  /** Of a request that may come again: its key's hash, and its body's. */
  readonly request: { readonly key: string; readonly fingerprint: string } | null;
}

/** A tunnel with its secrets. */
export interface TunnelWithCredentials {
  readonly tunnel: TunnelDocument;
  readonly credentials: StoredCredentials;
}

/** Milliseconds for making a tunnel; with {@linkcode UNDO_MS} less than our clients wait (30 s). */
const MAKE_MS = 18_000;

/** Managed tunnels. */
export class TunnelService {
  readonly #options: TunnelServiceOptions;
  readonly #store: TunnelStore;
  readonly #clock: Clock;
  readonly #remover: TunnelRemover;

  constructor(options: TunnelServiceOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#clock = options.clock;
    this.#remover = new TunnelRemover(options);
  }

  /**
   * Makes a tunnel, or gives the one that the same request has made.
   *
   * @throws {SynthError} 409 `subdomain_taken`, `too_many_tunnels`, `idempotency_conflict`, `tunnel_in_progress`; and those of the provider, after
   * what had been made is removed again
   */
  async create(
    caller: TunnelCaller,
    wanted: NewTunnel,
  ): Promise<TunnelWithCredentials & { readonly created: boolean }> {
    try {
      return await this.#create(caller, wanted);
    } catch (error) {
      const inUse = error instanceof SynthError && error.code === "tunnel_hostname_in_use";
      if (!inUse) throw error;
      if (!wanted.names.any) throw subdomainTaken();
      const names = { labels: randomLabels(), any: true };
      return await this.#create(caller, { ...wanted, names });
    }
  }

  /** An org's tunnels, the newest first. */
  async list(
    org: string,
    options: { readonly limit: number; readonly cursor?: string; readonly phase?: string },
  ): Promise<{ tunnels: TunnelDocument[]; cursor: string | null }> {
    return await this.#store.list(org, options);
  }

  /** @throws {SynthError} 404 `tunnel_not_found` */
  async get(org: string, id: string): Promise<TunnelDocument> {
    const found = await this.#store.get(org, id);
    if (found === null) throw tunnelNotFound();
    return found.tunnel;
  }

  /** @throws {SynthError} 403 `not_tunnel_owner`; 404; 409 `tunnel_not_active`, `tunnel_credentials_unavailable` */
  async credentials(caller: TunnelCaller, id: string): Promise<TunnelWithCredentials> {
    const { tunnel } = owned(caller, await this.#store.get(caller.org, id));
    requireActive(tunnel);
    const credentials = await openCredentials(this.#options.sealer, tunnel);
    if (credentials !== null) return { tunnel, credentials };
    throw new SynthError("The credentials of this tunnel are not to be had", {
      code: "tunnel_credentials_unavailable",
      status: 409,
      hint: "A rotation did not finish, or the seal keys are others: rotate the tunnel",
    });
  }

  /** New credentials in the place of the old. @throws {SynthError} as {@linkcode credentials}; 409 `tunnel_in_progress` */
  async rotate(caller: TunnelCaller, id: string): Promise<TunnelWithCredentials> {
    const found = owned(caller, await this.#store.get(caller.org, id));
    const { tunnel } = found;
    requireActive(tunnel);
    const { tunnel: tunnelId, service_token: tokenId } = tunnel.parts;
    if (tunnelId === null || tokenId === null) throw notActive();
    const now = this.#clock.now();
    if (tunnel.heldUntil > now) throw inProgress();
    const held = new HeldTunnel(this.#store, found);
    // The old ones end while the new ones are made: nobody shall be given them any more.
    await held.save({ credentials: null, heldUntil: now + MAKE_MS + GIVEN_UP_MS });
    try {
      const credentials = await withProvider(this.#options, tunnel, MAKE_MS, async (provider) => ({
        ...await provider.rotateServiceToken(tokenId),
        tunnelToken: await provider.rotateTunnel(tunnelId),
      }));
      return await this.#finish(held, credentials);
    } catch (error) {
      await held.save({ heldUntil: 0 }).catch(() => {});
      throw error;
    }
  }

  /**
   * Removes a tunnel. What cannot be removed now is tried again later.
   *
   * @returns whether all of it is gone
   * @throws {SynthError} 403 `not_tunnel_owner`; 404; 409 `tunnel_in_progress` while it is made
   */
  async delete(caller: TunnelCaller, id: string): Promise<boolean> {
    try {
      return await this.#delete(caller, id);
    } catch (error) {
      // By a rotation, or by somebody who deletes it too.
      if (!(error instanceof SynthError) || error.code !== "tunnel_interrupted") throw error;
      return await this.#delete(caller, id);
    }
  }

  /** Finishes what others left half done, of every org. Never rejects. */
  async sweep(): Promise<void> {
    await this.#remover.sweep();
  }

  async #create(
    caller: TunnelCaller,
    wanted: NewTunnel,
  ): Promise<TunnelWithCredentials & { readonly created: boolean }> {
    const { settings } = this.#options;
    const now = this.#clock.now();
    const until = now + MAKE_MS + UNDO_MS + GIVEN_UP_MS;
    const added = await this.#store.add({
      id: newId("tun_"),
      org: caller.org,
      user: caller.user,
      localHost: wanted.localHost,
      localPort: wanted.localPort,
      hostname: "",
      phase: "provisioning",
      accountId: settings.accountId,
      zoneId: settings.zoneId,
      begun: [],
      parts: NO_PARTS,
      credentials: null,
      accessExpiresAt: null,
      createdAt: now,
      heldUntil: until,
      sweepAt: until,
    });
    if (added === null) throw inProgress();
    const held = new HeldTunnel(this.#store, added);
    let before: string | null;
    try {
      before = await this.#madeBefore(held.tunnel, wanted.request);
      if (before === null) {
        await this.#checkCount(held.tunnel);
        await this.#claimName(held, wanted.names);
        const made = await withProvider(
          this.#options,
          held.tunnel,
          MAKE_MS,
          (provider) => makeParts(held, provider),
        );
        return { ...await this.#finish(held, made), created: true };
      }
      await held.remove();
    } catch (error) {
      await this.#remover.undo(held);
      throw error;
    }
    return { ...await this.credentials(caller, before), created: false };
  }

  async #delete(caller: TunnelCaller, id: string): Promise<boolean> {
    const there = await this.#store.get(caller.org, id);
    if (there === null && await this.#store.isBuried(caller.org, id)) return true;
    const found = owned(caller, there);
    const { tunnel } = found;
    const now = this.#clock.now();
    if (tunnel.phase !== "active" && tunnel.heldUntil > now) {
      if (tunnel.phase === "deleting") return false;
      throw inProgress();
    }
    if (tunnel.phase === "active") await this.#store.enter(tunnel, now);
    await this.#store.bury(tunnel);
    return await this.#remover.remove(found, tunnel.sweepAt <= now);
  }

  /** Which active tunnel the same request has made; `null`: this one is the first. */
  async #madeBefore(
    { org, id }: TunnelDocument,
    request: NewTunnel["request"],
  ): Promise<string | null> {
    if (request === null) return null;
    const { key, fingerprint } = request;
    let instead: string | null = null;
    for (let tries = 0; tries < 2; tries++) {
      const other = await this.#store.note(org, key, { fingerprint, id }, instead);
      if (other === null || other.id === id) return null;
      if (other.fingerprint !== fingerprint) throw idempotencyConflict();
      const there = await this.#store.get(org, other.id);
      if (there?.tunnel.phase === "active") return other.id;
      const busy = there?.tunnel.phase === "provisioning" &&
        there.tunnel.heldUntil > this.#clock.now();
      if (busy) break;
      instead = other.id;
    }
    throw inProgress();
  }

  async #checkCount(tunnel: TunnelDocument): Promise<void> {
    const { maxPerOrg } = this.#options.settings;
    if (await this.#store.isWithin(tunnel, maxPerOrg)) return;
    // Perhaps some are only waiting for somebody to finish their removal.
    await this.#remover.sweep();
    if (await this.#store.isWithin(tunnel, maxPerOrg)) return;
    throw new SynthError(`An org has at most ${maxPerOrg} tunnels here`, {
      code: "too_many_tunnels",
      status: 409,
      hint: "Delete one, or use one again. One whose removal is not finished counts",
      details: { limit: maxPerOrg },
    });
  }

  async #claimName(held: HeldTunnel, { labels, any }: NameWish): Promise<void> {
    const { domain } = this.#options.settings;
    for (const label of labels) {
      const hostname = `${label}.${domain}`;
      // Before the claim: who finds the claim can tell by this that nobody needs it any more.
      await held.save({ hostname });
      const owner = isReserved(label)
        ? { org: "", id: "" }
        : await this.#store.claim(hostname, held.tunnel);
      if (owner === null) return;
      held.note({ hostname: "" });
      if (!any) throw subdomainTaken(owner.org === held.tunnel.org ? owner.id : undefined);
    }
    throw subdomainTaken();
  }

  async #finish(held: HeldTunnel, made: MadeCredentials): Promise<TunnelWithCredentials> {
    const { clientId, clientSecret, tunnelToken, expiresAt } = made;
    const credentials = { clientId, clientSecret, tunnelToken };
    await held.save({
      phase: "active",
      credentials: await sealCredentials(this.#options.sealer, held.tunnel, credentials),
      accessExpiresAt: expiresAt,
      heldUntil: 0,
      sweepAt: 0,
    });
    await this.#store.leave(held.tunnel.id).catch(() => {});
    return { tunnel: held.tunnel, credentials };
  }
}

/** The tunnel, when it is there and the caller's to change. @throws {SynthError} 403 `not_tunnel_owner`; 404 */
function owned({ user, admin }: TunnelCaller, found: Versioned | null): Versioned {
  if (found === null) throw tunnelNotFound();
  if (admin || found.tunnel.user === user) return found;
  throw new SynthError("This tunnel is another user's", {
    code: "not_tunnel_owner",
    status: 403,
    hint: "Make one of your own, or use a key with the scope admin",
  });
}

/** The error for an id that is none of this org's tunnels. */
export function tunnelNotFound(): SynthError {
  return new SynthError("There is no such tunnel", { code: "tunnel_not_found", status: 404 });
}

function requireActive(tunnel: TunnelDocument): void {
  if (tunnel.phase !== "active") throw notActive();
}

function notActive(): SynthError {
  return new SynthError("This tunnel is not active", { code: "tunnel_not_active", status: 409 });
}

function inProgress(): SynthError {
  return new SynthError("Another request is at work on this tunnel", {
    code: "tunnel_in_progress",
    status: 409,
    hint: "Try again in a few seconds",
    headers: { "retry-after": "5" },
  });
}
