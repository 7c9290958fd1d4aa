/** The keys of the Redis ledger. @module */
import type { ScopeRef } from "../limits.ts";
import type { LeaseRef, ReserveInput } from "./ledger.ts";

/** The keys of one org. Its braces keep them on one shard of a cluster. */
export class LedgerKeys {
  readonly #prefix: string;

  constructor(org: string) {
    this.#prefix = `synth:v1:{${encodeURIComponent(org)}}:`;
  }

  get leases(): string {
    return `${this.#prefix}leases`;
  }
  get sessions(): string {
    return `${this.#prefix}sessions`;
  }
  get org(): string {
    return `${this.#prefix}org`;
  }
  get events(): string {
    return `${this.#prefix}usage`;
  }
  get bodies(): string {
    return `${this.#prefix}usage_bodies`;
  }
  lease(id: string): string {
    return `${this.#prefix}lease:${id}`;
  }
  session(id: string): string {
    return `${this.#prefix}session:${id}`;
  }
  sessionEvents(id: string): string {
    return `${this.#prefix}session_usage:${id}`;
  }
  key(id: string): string {
    return `${this.#prefix}key:${encodeURIComponent(id)}`;
  }
  active(user: string): string {
    return `${this.#prefix}active:${encodeURIComponent(user)}`;
  }
  scope(ref: ScopeRef): string {
    if (ref.kind === "org") return this.org;
    return ref.kind === "key" ? this.key(ref.id) : this.session(ref.id);
  }
}

/** The keys of a reserve, in the order of its script; `hint` is the session that the pointer may point at. */
export function reserveKeys(input: ReserveInput, hint: string): string[] {
  const keys = new LedgerKeys(input.org);
  const basic = [keys.lease(input.leaseId), keys.leases, keys.org, keys.key(input.keyId)];
  const { session } = input;
  if (session.kind === "none") return basic;
  const id = session.kind === "auto" ? session.open.id : session.id;
  const more = [keys.active(input.user), keys.session(id), keys.sessions];
  return [...basic, ...more, ...(hint === "" ? [] : [keys.session(hint)])];
}

/** The keys of what ends a lease, in the order of its script. */
export function finishKeys(lease: LeaseRef): string[] {
  const keys = new LedgerKeys(lease.org);
  const { leaseId, sessionId, keyId } = lease;
  const basic = [keys.lease(leaseId), keys.leases, keys.org, keys.key(keyId)];
  const journal = [keys.events, keys.bodies];
  if (sessionId === null) return [...basic, ...journal];
  return [...basic, ...journal, keys.session(sessionId), keys.sessionEvents(sessionId)];
}
