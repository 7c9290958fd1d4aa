import * as z from "zod";
import type { ApiCaller, PageQuery, Repeatable } from "./api_caller.ts";
import {
  type IncreaseRequest,
  type Limit,
  type LimitRequest,
  LimitSchema,
  type WireMetric,
} from "./limits.ts";
import {
  type Lease,
  type LeaseEnd,
  LeaseEndSchema,
  type LeaseRenewal,
  type LeaseRequest,
  LeaseSchema,
  type LeaseUse,
  type RenewedLease,
  RenewedLeaseSchema,
  type SessionObject,
  type SessionRequest,
  SessionSchema,
  type WireSessionStatus,
} from "./sessions.ts";
import { type UsageRecord, UsageRecordSchema, type UsageRequest } from "./usage.ts";

/** Which sessions to list. */
export interface SessionListQuery extends PageQuery {
  readonly status?: WireSessionStatus;
  /** Only those that requests without a session id belong to, or only the others. */
  readonly active?: boolean;
  readonly user_id?: string;
}

const PATH = "/api/v1/sessions";
const Sessions = z.array(SessionSchema);
const Limits = z.array(LimitSchema);
const Records = z.array(UsageRecordSchema);

/** The sessions of the caller's org. Every verb needs the scope `sessions` and throws `SynthError` with the server's code. */
export class SessionsClient {
  readonly #api: ApiCaller;

  constructor(api: ApiCaller) {
    this.#api = api;
  }

  /** Opens a session; by default it becomes the active one of its user. */
  async create(request: SessionRequest = {}, options: Repeatable = {}): Promise<SessionObject> {
    return await this.#api.call("POST", PATH, SessionSchema, { ...options, body: request });
  }

  /** One page, newest first. */
  async list(query: SessionListQuery = {}): Promise<SessionObject[]> {
    return await this.#api.call("GET", PATH, Sessions, { query: { ...query } });
  }

  /** @throws {SynthError} 404 `session_not_found` */
  async get(id: string): Promise<SessionObject> {
    return await this.#api.call("GET", at(id), SessionSchema);
  }

  /** @throws {SynthError} 400 `session_not_active` when it is over */
  async end(id: string, options: Repeatable = {}): Promise<SessionObject> {
    return await this.#api.call("POST", at(id, "/end"), SessionSchema, options);
  }

  /** Keeps a session from expiring for idleness. */
  async heartbeat(id: string): Promise<SessionObject> {
    return await this.#api.call("POST", at(id, "/heartbeat"), SessionSchema);
  }

  /** Its limits as they stand. */
  async limits(id: string): Promise<Limit[]> {
    return await this.#api.call("GET", at(id, "/limits"), Limits);
  }

  /** @throws {SynthError} 400 `invalid_limit` */
  async addLimit(id: string, limit: LimitRequest, options: Repeatable = {}): Promise<Limit> {
    return await this.#api.call("POST", at(id, "/limits"), LimitSchema, {
      ...options,
      body: limit,
    });
  }

  /** Raises a limit, once for each idempotency key. */
  async increaseLimit(
    id: string,
    increase: IncreaseRequest,
    options: Repeatable = {},
  ): Promise<Limit> {
    return await this.#api.call("POST", at(id, "/limits/increase"), LimitSchema, {
      ...options,
      body: increase,
    });
  }

  /** What it used, newest first; `metric_type` picks what `metric_value` shows. */
  async usage(
    id: string,
    query: PageQuery & { readonly metric_type?: WireMetric } = {},
  ): Promise<UsageRecord[]> {
    return await this.#api.call("GET", at(id, "/usage"), Records, { query: { ...query } });
  }

  /** Counts usage that the gateway did not see, once for each `reference_id`. */
  async recordUsage(
    id: string,
    usage: UsageRequest,
    options: Repeatable = {},
  ): Promise<UsageRecord> {
    return await this.#api.call("POST", at(id, "/usage"), UsageRecordSchema, {
      ...options,
      body: usage,
    });
  }

  /** Sets GPU time aside. @throws {SynthError} 429 `session_limit_exceeded` */
  async createLease(id: string, lease: LeaseRequest, options: Repeatable = {}): Promise<Lease> {
    return await this.#api.call("POST", at(id, "/leases"), LeaseSchema, {
      ...options,
      body: lease,
    });
  }

  /** Charges what a lease was used for; all that it holds when nothing is said. */
  async settleLease(id: string, lease: string, use: LeaseUse = {}): Promise<LeaseEnd> {
    return await this.#api.call("POST", leaseAt(id, lease, "settle"), LeaseEndSchema, {
      body: use,
    });
  }

  /** Gives a lease back unused. */
  async releaseLease(id: string, lease: string): Promise<void> {
    await this.#api.call("POST", leaseAt(id, lease, "release"), null);
  }

  /** Settles a lease and takes the next. @throws {SynthError} 429: it is settled, and there is no next one */
  async renewLease(id: string, lease: string, renewal: LeaseRenewal): Promise<RenewedLease> {
    return await this.#api.call("POST", leaseAt(id, lease, "renew"), RenewedLeaseSchema, {
      body: renewal,
    });
  }
}

function at(id: string, rest = ""): string {
  return `${PATH}/${encodeURIComponent(id)}${rest}`;
}

function leaseAt(id: string, lease: string, verb: string): string {
  return at(id, `/leases/${encodeURIComponent(lease)}/${verb}`);
}
