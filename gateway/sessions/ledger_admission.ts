/**
 * Admission with a budget behind it: bounds what a request can cost, holds that in the ledger, and settles what it did cost.
 *
 * @module
 */
import { type Clock, type Json, type Logger, newId, newTimedId, SynthError } from "@synth/core";
import type { SessionsConfig } from "@synth/core/config";
import { costOf, FREE, type Price, type TokenUsage } from "../pricing/price.ts";
import type { PriceBook } from "../pricing/price_book.ts";
import type { Admission, AdmissionRequest, Admitted, Settlement } from "./admission.ts";
import type { AdmissionObserver, StoreOperation } from "./admission_observer.ts";
import { attachmentOf } from "./attach.ts";
import { budgetHeaders } from "./budget_headers.ts";
import { boundInput } from "./input_bound.ts";
import type {
  Attach,
  Grant,
  LeaseRef,
  Refusal,
  ReserveInput,
  SessionLedger,
  Settled,
  UsageDetail,
} from "./ledger/ledger.ts";
import { MAX_REQUEST_AMOUNT, MAX_REQUEST_TOKENS } from "./ledger/ledger.ts";
import { isUnavailable, LedgerCalls, note, refusedBy } from "./ledger_calls.ts";
import { type Lease, metered, unmetered } from "./lease.ts";
import { amounts } from "./limits.ts";
import { onLimitOf } from "./on_limit.ts";
import { outputTerms, termsOf } from "./model_terms.ts";
import type { PrefixHasher } from "./prefix_hash.ts";
import { refusalError } from "./refusal.ts";
import { asSent, choicesOf, outputCap, ratesOf } from "./request_terms.ts";
import { thinkingAt } from "./thinking.ts";

/** The parts of {@linkcode LedgerAdmission}. */
export interface LedgerAdmissionOptions {
  readonly ledger: SessionLedger;
  readonly prices: PriceBook;
  /** The `[sessions]` section in force. */
  readonly config: () => SessionsConfig;
  readonly hasher: PrefixHasher;
  readonly clock: Clock;
  readonly log: Logger;
  /** @default {nobody is told} */
  readonly observer?: AdmissionObserver;
}

/** What the gateway remembers of a lease until it is settled. */
interface Held {
  readonly ref: LeaseRef;
  readonly session: Attach;
  readonly price: Price;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly times: number;
  /** Names the input, for the session's memory. */
  readonly hash: string;
  /** The model's key in the configuration. */
  readonly model: string;
  /** Of the request's log line. */
  readonly fields: Record<string, Json> | undefined;
  open: boolean;
}

/** Milliseconds that the books stay open for a lease after its request's deadline. */
const LEASE_GRACE_MS = 60_000;
/** Milliseconds that a request waits at most for other requests' leases. */
const WAIT_FOR_OTHERS_MS = 2000;

/** The admission of a gateway with budgets. */
export class LedgerAdmission implements Admission {
  readonly #options: LedgerAdmissionOptions;
  readonly #calls: LedgerCalls;
  readonly #held: WeakMap<Lease, Held> = new WeakMap();

  constructor(options: LedgerAdmissionOptions) {
    this.#options = options;
    this.#calls = new LedgerCalls(options);
  }

  async admit(request: AdmissionRequest): Promise<Admitted> {
    return await this.#orWithoutStore(async () => {
      return await this.#reserve(request, await this.#session(request));
    });
  }

  async renew(lease: Lease, request: AdmissionRequest): Promise<Lease> {
    const held = this.#held.get(lease);
    const { lease: next } = await this.#orWithoutStore(async () => {
      await this.charge(lease);
      // The next attempt belongs to the session of the first one, even when another became active meanwhile.
      const session = held === undefined
        ? await this.#session(request)
        : held.ref.sessionId === null
        ? { kind: "none" as const }
        : { kind: "id" as const, id: held.ref.sessionId };
      return await this.#reserve(request, session);
    });
    return next;
  }

  async settle(lease: Lease, settlement: Settlement): Promise<void> {
    const held = this.#held.get(lease);
    if (held === undefined) return;
    const { usage, outputBytes, uncountedBytes = 0 } = settlement;
    const estimated = !usage.inputReported || !usage.outputReported || uncountedBytes > 0;
    const input = usage.inputReported ? usage.inputTokens : held.inputTokens;
    const output = outputOf(usage, held, outputBytes, uncountedBytes, input);
    const tokens: TokenUsage = {
      input,
      cached: usage.inputReported ? usage.cachedTokens : 0,
      cacheWrite: usage.inputReported ? usage.cacheWriteTokens : 0,
      output,
      reasoning: usage.outputReported ? usage.reasoningTokens : 0,
    };
    const detail: UsageDetail = {
      inputTokens: input,
      cachedTokens: tokens.cached,
      outputTokens: output,
      reasoningTokens: tokens.reasoning,
      estimated,
    };
    const settled = await this.#ending(held, "settle", (ledger) =>
      ledger.settle({
        lease: held.ref,
        actual: amounts({
          tokens: BigInt(input + output),
          // A count that is a lie must not keep the rest from being booked.
          cost: least(costOf(held.price, tokens), MAX_REQUEST_AMOUNT),
          api_calls: 1n,
        }),
        detail,
        remember: usage.inputReported && input > 0 && input <= MAX_REQUEST_TOKENS
          ? [{ hash: held.hash, tokens: input }]
          : [],
      }));
    this.#held.delete(lease);
    this.#settled(held, settled, tokens);
    if (Object.values(settled.overrun).some((value) => value > 0n)) {
      this.#options.log.warn("budget overrun", {
        lease: held.ref.leaseId,
        session: held.ref.sessionId,
        overrun_tokens: String(settled.overrun.tokens),
        overrun_nano_usd: String(settled.overrun.cost),
      });
    }
  }

  async charge(lease: Lease): Promise<void> {
    const held = this.#held.get(lease);
    if (held === undefined) return;
    const input = held.inputTokens;
    const output = held.outputTokens * held.times;
    const settled = await this.#calls.timed("settle", (ledger) =>
      ledger.settle({
        lease: held.ref,
        actual: "held",
        detail: {
          inputTokens: input,
          cachedTokens: 0,
          outputTokens: output,
          reasoningTokens: 0,
          estimated: true,
        },
        remember: [],
      }));
    this.#held.delete(lease);
    this.#close(held);
    this.#settled(held, settled, { input, cached: 0, cacheWrite: 0, output, reasoning: 0 });
  }

  async release(lease: Lease): Promise<void> {
    const held = this.#held.get(lease);
    if (held === undefined) return;
    await this.#ending(held, "release", (ledger) => ledger.release(held.ref));
    this.#held.delete(lease);
  }

  /** Ends a lease in the ledger. Should that fail, it ends by its time. */
  async #ending<T>(
    held: Held,
    operation: StoreOperation,
    step: (ledger: SessionLedger) => Promise<T>,
  ): Promise<T> {
    try {
      return await this.#calls.again(operation, step);
    } catch (error) {
      // The line of the request may be written already.
      const { leaseId: lease, sessionId: session } = held.ref;
      this.#options.log.error("a lease stays open until it expires", {
        lease,
        session,
        operation,
        error,
      });
      throw error;
    } finally {
      this.#close(held);
    }
  }

  #close(held: Held): void {
    if (!held.open) return;
    held.open = false;
    this.#options.observer?.leaseClosed();
  }

  /** Tells what a lease came to, once. */
  #settled({ model, fields }: Held, settled: Settled, tokens: TokenUsage): void {
    if (settled.already) return;
    const { cost } = settled.actual;
    if (fields !== undefined) {
      fields["cost_nano_usd"] = Number(fields["cost_nano_usd"] ?? 0) + Number(cost);
    }
    this.#options.observer?.settled(model, tokens, cost, settled.overrun);
  }

  async #session(request: AdmissionRequest): Promise<Attach> {
    const wanted = attachmentOf(request.headers, this.#options.config());
    // Who spends outside of every session is to be found.
    if (wanted.kind === "none" && request.fields !== undefined) request.fields["no_session"] = true;
    if (wanted.kind !== "active") return wanted;
    const { org, user } = request.principal;
    const active = await this.#options.ledger.activeSession(org, user);
    if (active !== null) return { kind: "id", id: active.id };
    throw new SynthError("This gateway serves requests of a session only, and none is active", {
      code: "session_required",
      status: 400,
      param: "X-Synth-Session-ID",
      hint: "Open one with POST /api/v1/sessions",
      headers: { "x-should-retry": "false" },
    });
  }

  async #reserve(request: AdmissionRequest, session: Attach): Promise<Admitted> {
    const { clock, hasher, observer } = this.#options;
    const config = this.#options.config();
    const terms = termsOf(request.model, this.#options.prices, clock.now());
    const price = terms.price ?? (config.on_unknown_price === "allow" ? FREE : null);
    const bounded = boundInput(request.chat, terms.bounds, hasher, request.model.upstream.name);
    const times = choicesOf(request);
    const { profile } = request.model.upstream;
    const output = outputTerms(
      request.requestedOutputTokens,
      terms,
      profile,
      { maxReserve: config.max_reserve_output, thinking: thinkingAt(request.chat, profile) },
    );
    const inputBound = Math.min(bounded.tokens, MAX_REQUEST_TOKENS);
    const input: ReserveInput = {
      leaseId: newTimedId("lease_", clock.now()),
      org: request.principal.org,
      user: request.principal.user,
      keyId: request.principal.keyId,
      session,
      model: request.model.name.slice(0, 256),
      priceVersion: price?.version ?? "unknown",
      inputBound,
      prefixes: bounded.prefixes.filter((prefix) => prefix.rest < inputBound),
      outputWanted: output.wanted,
      outputMin: output.min,
      outputTimes: times,
      rates: price === null ? null : ratesOf(price),
      fees: price?.perCall ?? 0n,
      unmeterable: bounded.unmeterable !== null || output.unbounded,
      ttlMs: request.deadlineMs + LEASE_GRACE_MS,
    };
    let outcome: Grant | Refusal;
    try {
      const reserve = (ledger: SessionLedger): Promise<Grant | Refusal> => ledger.reserve(input);
      outcome = await this.#calls.timed("reserve", reserve);
      if (!outcome.granted && outcome.reason === "reserved") {
        await clock.sleep(WAIT_FOR_OTHERS_MS);
        outcome = await this.#calls.timed("reserve", reserve);
      }
    } catch (error) {
      // Where requests go out without the books, a lease that was granted unheard pays for this one when it expires.
      if (isUnavailable(error) && config.on_store_error === "closed") {
        request.waitUntil?.(this.#giveBack(input));
      }
      throw error;
    }
    note(request.fields, input.leaseId, outcome);
    if (!outcome.granted) observer?.budgetRefused(...refusedBy(outcome));
    if (!outcome.granted) throw await this.#refused(outcome, request, bounded.unmeterable);
    const granted = outcome.outputTokens;
    const lease = metered(input.leaseId, outputCap(outcome, request, terms), times);
    this.#held.set(lease, {
      ref: outcome.lease,
      session,
      price: price ?? FREE,
      inputTokens: outcome.inputTokens,
      outputTokens: granted ?? output.wanted,
      times,
      hash: bounded.hash,
      model: request.model.key,
      fields: request.fields,
      open: true,
    });
    observer?.leaseOpened();
    return { lease, headers: budgetHeaders(outcome, request.client.kind, clock.now()) };
  }

  async #refused(
    refusal: Refusal,
    request: AdmissionRequest,
    unmeterable: string | null,
  ): Promise<SynthError> {
    return refusalError(refusal, {
      client: request.client.kind,
      model: request.model,
      unmeterable: unmeterable === null ? null : asSent(unmeterable, request),
      onLimit: await onLimitOf(this.#options.ledger, request.principal.org, refusal.sessionId),
      now: this.#options.clock.now(),
    });
  }

  /** A reserve without an answer may have been granted; nobody will use it, so nobody shall pay for it. */
  async #giveBack(input: ReserveInput): Promise<void> {
    const { ledger } = this.#options;
    const { leaseId, org, keyId, session } = input;
    const step = async (): Promise<void> => {
      if (session.kind !== "auto") {
        await ledger.release({
          leaseId,
          org,
          keyId,
          sessionId: session.kind === "id" ? session.id : null,
        });
        return;
      }
      // Which session it went to is known to the ledger alone, and a known id gives the same grant again.
      const outcome = await ledger.reserve(input);
      if (outcome.granted) await ledger.release(outcome.lease);
    };
    try {
      await this.#calls.again("release", step);
    } catch (error) {
      this.#options.log.warn("a lease could not be given back", { lease: leaseId, error });
    }
  }

  /** Without its books the gateway spends nothing, unless the operator has said otherwise. */
  async #orWithoutStore(step: () => Promise<Admitted>): Promise<Admitted> {
    try {
      return await step();
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      if (this.#options.config().on_store_error === "closed") throw budgetStoreUnavailable(error);
      const lease = unmetered(newId("lease_"));
      this.#options.log.error("budget store unavailable, serving unmetered", { lease: lease.id });
      return { lease, headers: { "x-synth-budget-warning": "unmetered" } };
    }
  }
}

/** The output to charge: as it was reported, what was not at its bound, and never less than a total that was named leaves for it. */
function outputOf(
  usage: Settlement["usage"],
  held: Held,
  outputBytes: number,
  uncountedBytes: number,
  input: number,
): number {
  const granted = held.outputTokens * held.times;
  const counted = usage.outputReported ? usage.outputTokens : 0;
  const uncounted = usage.outputReported ? uncountedBytes : outputBytes;
  const output = counted + Math.min(Math.max(0, granted - counted), uncounted);
  return Math.max(output, (usage.statedTotal ?? 0) - input);
}

function budgetStoreUnavailable(cause: unknown): SynthError {
  return new SynthError("The store that keeps the budgets cannot be reached", {
    code: "budget_store_unavailable",
    status: 503,
    hint: "Nothing was spent; try again in a few seconds",
    headers: { "retry-after": "2" },
    cause,
  });
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
