/** What a request asks of the ledger, and what a grant lets it send. @module */
import { ceilingRates, type Price } from "../pricing/price.ts";
import type { AdmissionRequest } from "./admission.ts";
import type { Grant, ReserveRate } from "./ledger/ledger.ts";
import type { ModelTerms } from "./model_terms.ts";

/** Tokens of room below which the bound of the input says more about bytes than about the window. */
const LEAST_ROOM = 4096;

/** The largest rates from each size of input on. */
export function ratesOf(price: Price): ReserveRate[] {
  return price.tiers.map((tier) => ({
    aboveInput: tier.aboveInputTokens,
    ...ceilingRates(price, tier.aboveInputTokens + 1),
  }));
}

/**
 * The cap to send. Where the model's window is known and the input nearly fills it, asking for the whole grant would be refused by upstreams that add the two up.
 */
export function outputCap(
  grant: Grant,
  request: AdmissionRequest,
  terms: ModelTerms,
): number | null {
  if (grant.outputTokens === null) return null;
  const asked = Math.min(grant.outputTokens, request.requestedOutputTokens ?? Infinity);
  const room = (terms.contextWindow ?? Infinity) - grant.inputTokens;
  return room >= LEAST_ROOM ? Math.min(asked, room) : asked;
}

/** How many answers a request asks for: each may be as long as the grant. */
export function choicesOf(request: AdmissionRequest): number {
  const n = request.chat["n"];
  return typeof n === "number" && Number.isSafeInteger(n) && n > 1 ? Math.min(n, 1024) : 1;
}

/** A part in the client's words: where the request is translated, its place is another one. */
export function asSent(unmeterable: string, { api, model }: AdmissionRequest): string {
  if (api === "chat" && model.upstream.api === "chat") return unmeterable;
  const field = api === "chat" ? "messages" : "input";
  return unmeterable.replace(/^messages\[\d+\](?:\.content\[\d+\])?/, field);
}
