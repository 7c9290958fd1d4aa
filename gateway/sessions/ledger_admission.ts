/**
 * Admission with a budget behind it: bounds what a request can cost, holds that in the ledger, and settles what it did cost.
 *
 * @module
 */
import { type Clock, type Logger, newId, SynthError } from "@synth/core";
import type { SessionsConfig } from "@synth/core/config";
import { ceilingRates, costOf, FREE, type Price, type TokenUsage } from "../pricing/price.ts";
import type { PriceBook } from "../pricing/price_book.ts";
import type { Admission, AdmissionRequest, Admitted, Settlement } from "./admission.ts";
import { attachmentOf } from "./attach.ts";
import { budgetHeaders } from "./budget_headers.ts";
import { boundInput } from "./input_bound.ts";
import type {
  Attach,
  Grant,
  LeaseRef,
  Refusal,
  ReserveInput,
  ReserveRate,
  SessionLedger,
  UsageDetail,
} from "./ledger/ledger.ts";
import { MAX_REQUEST_TOKENS } from "./ledger/ledger.ts";
import { type Lease, metered, unmetered } from "./lease.ts";
import { amounts } from "./limits.ts";
import { onLimitOf } from "./on_limit.ts";
import { type ModelTerms, outputTerms, termsOf } from "./model_terms.ts";
import type { PrefixHasher } from "./prefix_hash.ts";
import { refusalError } from "./refusal.ts";

/** The parts of {@linkcode LedgerAdmission}. */
export interface LedgerAdmissionOptions {
  readonly ledger: SessionLedger;
  readonly prices: PriceBook;
  /** The `[sessions]` section in force. */
  readonly config: () => SessionsConfig;
  readonly hasher: PrefixHasher;
  readonly clock: Clock;
  readonly log: Logger;
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
}

/** Milliseconds that the books stay open for a lease after its request's deadline. */
const LEASE_GRACE_MS = 60_000;
/** Milliseconds that a request waits at most for other requests' leases. */
const WAIT_FOR_OTHERS_MS = 2000;

/** The admission of a gateway with budgets. */
export class LedgerAdmission implements Admission {
  readonly #options: LedgerAdmissionOptions;
  readonly #held: WeakMap<Lease, Held> = new WeakMap();

  constructor(options: LedgerAdmissionOptions) {
    this.#options = options;
  }

  async admit(request: AdmissionRequest): Promise<Admitted> {
    const session = await this.#session(request);
    return await this.#reserve(request, session);
  }

  async renew(lease: Lease, request: AdmissionRequest): Promise<Lease> {
    const held = this.#held.get(lease);
    await this.charge(lease);
    // The next attempt belongs to the session of the first one, even when another became active meanwhile.
    const session = held === undefined
      ? await this.#session(request)
      : held.ref.sessionId === null
      ? { kind: "none" as const }
      : { kind: "id" as const, id: held.ref.sessionId };
    return (await this.#reserve(request, session)).lease;
  }

  async settle(lease: Lease, settlement: Settlement): Promise<void> {
    const held = this.#held.get(lease);
    if (held === undefined) return;
    const { usage, outputBytes } = settlement;
    const estimated = !usage.inputReported || !usage.outputReported;
    const input = usage.inputReported ? usage.inputTokens : held.inputTokens;
    const output = usage.outputReported
      ? usage.outputTokens
      : Math.min(held.outputTokens * held.times, outputBytes);
    const tokens: TokenUsage = {
      input,
      cached: usage.inputReported ? usage.cachedTokens : 0,
      cacheWrite: usage.inputReported ? usage.cacheWriteTokens : 0,
      output,
      reasoning: usage.outputReported ? usage.reasoningTokens : 0,
    };
    const total = estimated ? input + output : Math.max(usage.totalTokens, input + output);
    const detail: UsageDetail = {
      inputTokens: input,
      cachedTokens: tokens.cached,
      outputTokens: output,
      reasoningTokens: tokens.reasoning,
      estimated,
    };
    const settled = await this.#options.ledger.settle({
      lease: held.ref,
      actual: amounts({
        tokens: BigInt(total),
        cost: costOf(held.price, tokens),
        api_calls: 1n,
      }),
      detail,
      remember: usage.inputReported && input > 0 && input <= MAX_REQUEST_TOKENS
        ? [{ hash: held.hash, tokens: input }]
        : [],
    });
    this.#held.delete(lease);
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
    await this.#options.ledger.settle({
      lease: held.ref,
      actual: "held",
      detail: {
        inputTokens: held.inputTokens,
        cachedTokens: 0,
        outputTokens: held.outputTokens * held.times,
        reasoningTokens: 0,
        estimated: true,
      },
      remember: [],
    });
    this.#held.delete(lease);
  }

  async release(lease: Lease): Promise<void> {
    const held = this.#held.get(lease);
    if (held === undefined) return;
    await this.#options.ledger.release(held.ref);
    this.#held.delete(lease);
  }

  async #session(request: AdmissionRequest): Promise<Attach> {
    const wanted = attachmentOf(request.headers, this.#options.config());
    if (wanted.kind !== "active") return wanted;
    const { org, user } = request.principal;
    const active = await this.#orUnavailable(() => this.#options.ledger.activeSession(org, user));
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
    const { clock, ledger, hasher } = this.#options;
    const config = this.#options.config();
    const terms = termsOf(request.model, this.#options.prices, clock.now());
    const price = terms.price ?? (config.on_unknown_price === "allow" ? FREE : null);
    const bounded = boundInput(request.chat, terms.bounds, hasher);
    const times = choicesOf(request);
    const output = outputTerms(
      request.requestedOutputTokens,
      terms,
      request.model.upstream.profile,
      { maxReserve: config.max_reserve_output, reasoning: thinks(request) },
    );
    const inputBound = Math.min(bounded.tokens, MAX_REQUEST_TOKENS);
    const input: ReserveInput = {
      leaseId: newId("lease_"),
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
      outcome = await ledger.reserve(input);
      if (!outcome.granted && outcome.reason === "reserved") {
        await clock.sleep(WAIT_FOR_OTHERS_MS);
        outcome = await ledger.reserve(input);
      }
    } catch (error) {
      return this.#onStoreError(error, input.leaseId, config);
    }
    if (!outcome.granted) throw await this.#refused(outcome, request, bounded.unmeterable);
    const granted = outcome.outputTokens;
    const lease = metered(input.leaseId, cap(outcome, request, terms));
    this.#held.set(lease, {
      ref: outcome.lease,
      session,
      price: price ?? FREE,
      inputTokens: outcome.inputTokens,
      outputTokens: granted ?? output.wanted,
      times,
      hash: bounded.hash,
    });
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
      unmeterable,
      onLimit: await onLimitOf(this.#options.ledger, request.principal.org, refusal.sessionId),
      now: this.#options.clock.now(),
    });
  }

  /** Without its books the gateway spends nothing, unless the operator has said otherwise. */
  #onStoreError(error: unknown, leaseId: string, config: SessionsConfig): Admitted {
    if (!isUnavailable(error)) throw error;
    if (config.on_store_error === "closed") throw budgetStoreUnavailable(error);
    this.#options.log.error("budget store unavailable, serving unmetered", { lease: leaseId });
    return { lease: unmetered(leaseId), headers: { "x-synth-budget-warning": "unmetered" } };
  }

  async #orUnavailable<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      throw isUnavailable(error) ? budgetStoreUnavailable(error) : error;
    }
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof SynthError && error.code === "store_unavailable";
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

/** The largest rates from each size of input on. */
function ratesOf(price: Price): ReserveRate[] {
  return price.tiers.map((tier) => ({
    aboveInput: tier.aboveInputTokens,
    ...ceilingRates(price, tier.aboveInputTokens + 1),
  }));
}

/**
 * The cap to send. Where the model's window is known and the input nearly fills it, asking for the whole grant would be refused by upstreams that add the two up.
 */
function cap(grant: Grant, request: AdmissionRequest, terms: ModelTerms): number | null {
  if (grant.outputTokens === null) return null;
  const asked = Math.min(grant.outputTokens, request.requestedOutputTokens ?? Infinity);
  const room = (terms.contextWindow ?? Infinity) - grant.inputTokens;
  return room >= LEAST_ROOM ? Math.min(asked, room) : asked;
}

/** Tokens of room below which the bound of the input says more about bytes than about the window. */
const LEAST_ROOM = 4096;

function choicesOf(request: AdmissionRequest): number {
  const n = request.chat["n"];
  return typeof n === "number" && Number.isSafeInteger(n) && n > 1 ? Math.min(n, 1024) : 1;
}

function thinks(request: AdmissionRequest): boolean {
  const effort = request.chat.reasoning_effort;
  return effort !== undefined && effort !== "none";
}
