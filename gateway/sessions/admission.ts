/**
 * The port between a request and what may be spent on it: every upstream call needs the {@linkcode Lease} that it gives out.
 *
 * @module
 */
import { type Json, newId } from "@synth/core";
import type { Principal } from "@synth/core/auth";
import type { ChatRequest } from "../bridge/chat.ts";
import type { ClientTraits } from "../bridge/client_traits.ts";
import type { TurnPlan } from "../bridge/plan.ts";
import type { TurnUsage } from "../bridge/stream/usage.ts";
import type { ResolvedModel } from "../upstreams/model_table.ts";
import { type Lease, unmetered } from "./lease.ts";

/** What admission judges. */
export interface AdmissionRequest {
  /** For the logs; a client may have chosen it. */
  readonly requestId: string;
  readonly principal: Principal;
  /** The client's headers: session ids, opt-out, user agent. */
  readonly headers: Headers;
  /** Refusals are shaped for it. */
  readonly client: ClientTraits;
  readonly model: ResolvedModel;
  readonly api: "responses" | "chat";
  readonly stream: boolean;
  /** What will be sent, before its output is clamped to the grant. */
  readonly chat: ChatRequest;
  /** Bytes of text sent upstream: never fewer than its tokens. */
  readonly inputBytes: number;
  /** What does not count as bytes. */
  readonly media: TurnPlan["media"];
  /** The largest output the client asked for, in tokens. */
  readonly requestedOutputTokens: number | null;
  /** Milliseconds the request may take at most. */
  readonly deadlineMs: number;
  /** Keeps a promise that outlives the answer. @default {nobody waits for it} */
  readonly waitUntil?: (promise: Promise<unknown>) => void;
  /** Takes `session`, `lease` and `cost_nano_usd` for the log. @default {nobody wants to know} */
  readonly fields?: Record<string, Json>;
}

/** A granted request. */
export interface Admitted {
  readonly lease: Lease;
  /** Headers of the answer: what is left, warnings. */
  readonly headers: Readonly<Record<string, string>>;
}

/** How one lease was used. */
export interface Settlement {
  /** What the upstream reported; counts that it did not report are marked, and the ledger has its own estimate of them. */
  readonly usage: TurnUsage;
  /** Bytes of output that were received. */
  readonly outputBytes: number;
  /** Of these the bytes that came after the reported count of the output. @default {0} */
  readonly uncountedBytes?: number;
}

/** The port. Refusals are `SynthError`s, shaped for the client. */
export interface Admission {
  /** Reserves. */
  admit(request: AdmissionRequest): Promise<Admitted>;
  /** Charges a lease whose attempt may have been billed, and reserves another for the next attempt. */
  renew(lease: Lease, request: AdmissionRequest): Promise<Lease>;
  /** Reports what was used. Idempotent. */
  settle(lease: Lease, settlement: Settlement): Promise<void>;
  /** Charges all that the lease holds: its attempt may have been billed, and nobody will say how much. Idempotent. */
  charge(lease: Lease): Promise<void>;
  /** Gives the lease back: nothing was sent, or the upstream refused it. Idempotent. */
  release(lease: Lease): Promise<void>;
}

/** Admission without a ledger: grants everything, keeps nothing. */
export class UnmeteredAdmission implements Admission {
  admit(): Promise<Admitted> {
    return Promise.resolve({ lease: unmetered(newId("lease_")), headers: {} });
  }

  renew(lease: Lease): Promise<Lease> {
    return Promise.resolve(unmetered(`${lease.id}+`));
  }

  settle(): Promise<void> {
    return Promise.resolve();
  }

  charge(): Promise<void> {
    return Promise.resolve();
  }

  release(): Promise<void> {
    return Promise.resolve();
  }
}
