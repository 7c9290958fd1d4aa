/** Refusals of the ledger as errors, in the shape that each client understands (docs/sessions.md has the table). @module */
import { formatUsd, type Json, nanoToUsd, SynthError } from "@synth/core";
import type { ClientKind } from "../bridge/client_traits.ts";
import type { Refusal } from "./ledger/ledger.ts";
import { type LimitState, type Metric, used } from "./limits.ts";

/** How a session wants to be refused. */
export type OnLimit = "auto" | "error" | "message";

/** What a refusal is told with. */
export interface RefusalContext {
  readonly client: ClientKind;
  /** The model as the client named it, and its key in the configuration. */
  readonly model: { readonly name: string; readonly key: string };
  /** The part that nothing bounds, when that is the reason. */
  readonly unmeterable: string | null;
  readonly onLimit: OnLimit;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** A refusal that the session wants told as an assistant's message, not as an error. */
export class BudgetMessage extends SynthError {
  /** What the assistant says. */
  get text(): string {
    return `[synth] ${this.hint === undefined ? this.message : `${this.message}. ${this.hint}.`}`;
  }
}

/** Metric names on the wire. */
export const WIRE_METRIC: Readonly<Record<Metric, string>> = {
  tokens: "tokens",
  cost: "cost_usd",
  gpu_time: "gpu_hours",
  api_calls: "api_calls",
};

const NEVER_RETRY = { "x-should-retry": "false" };

/** Turns a refusal into the error to answer with. */
export function refusalError(refusal: Refusal, context: RefusalContext): SynthError {
  switch (refusal.reason) {
    case "session_unknown":
      return sessionError("session_not_found", "There is no such session", refusal.sessionId);
    case "session_ended":
      return sessionError("session_ended", "The session has ended", refusal.sessionId);
    case "session_expired":
      return sessionError("session_expired", "The session has expired", refusal.sessionId);
    case "released":
      return new SynthError("The reservation was given back before it was made", {
        code: "lease_released",
        status: 409,
        headers: NEVER_RETRY,
      });
    case "price_unknown":
      return priceUnknown(refusal.limit, context);
    case "unmeterable":
      return unmeterable(refusal.limit, context);
    case "reserved":
      return reserved(refusal.limit, refusal.asked, refusal.sessionId, context);
    case "exceeded":
      return exceeded(refusal, context);
  }
}

function sessionError(code: string, message: string, id: string | null): SynthError {
  return new SynthError(`${message}${id === null ? "" : `: ${id}`}`, {
    code,
    status: 400,
    type: "invalid_request_error",
    param: "X-Synth-Session-ID",
    hint: "Open one with POST /api/v1/sessions, or leave the header out",
    headers: NEVER_RETRY,
  });
}

function priceUnknown(limit: LimitState, { model }: RefusalContext): SynthError {
  return new SynthError(
    `Model ${JSON.stringify(model.name)} has no price, and this ${limit.scope} has a cost limit`,
    {
      code: "price_unknown",
      status: 400,
      param: "model",
      hint: `Add to [models.${JSON.stringify(model.key)}]: price = { input = 0.0, output = 0.0 } ` +
        `(USD per million tokens), or price = "free"`,
      headers: NEVER_RETRY,
    },
  );
}

function unmeterable(limit: LimitState, context: RefusalContext): SynthError {
  const what = context.unmeterable ?? "the output of this model";
  return new SynthError(
    `Nothing bounds what ${what} can cost, and this ${limit.scope} has a hard limit on ${
      WIRE_METRIC[limit.metric]
    }`,
    {
      code: "unmeterable_field",
      status: 400,
      ...(context.unmeterable === null ? {} : { param: context.unmeterable }),
      hint: context.unmeterable === null
        ? `Set max_output_tokens in [models.${JSON.stringify(context.model.key)}]`
        : `Leave it out, or add bounds to [models.${JSON.stringify(context.model.key)}]`,
      headers: NEVER_RETRY,
    },
  );
}

function reserved(
  limit: LimitState,
  asked: bigint,
  sessionId: string | null,
  context: RefusalContext,
): SynthError {
  return new SynthError(
    `Other requests have reserved the rest of the ${limit.scope}'s ${WIRE_METRIC[limit.metric]} ` +
      `limit: ${describe(limit, asked)}`,
    {
      code: "session_budget_reserved",
      status: 429,
      type: "rate_limit_error",
      details: numbers(limit, asked, sessionId),
      hint: "Try again when they have finished",
      headers: context.client === "codex" ? { "retry-after": "1" } : {
        "retry-after": "1",
        "x-should-retry": "true",
      },
    },
  );
}

/** Milliseconds within which waiting for a window is worth a Retry-After. */
const SHORT_WAIT_MS = 60_000;

function exceeded(
  refusal: Refusal & { reason: "exceeded" | "reserved" | "price_unknown" | "unmeterable" },
  context: RefusalContext,
): SynthError {
  const { limit, asked, freesAt } = refusal;
  const metric = WIRE_METRIC[limit.metric];
  const message = `The ${limit.scope}'s ${metric} limit is used up: ${describe(limit, asked)}`;
  const waitMs = freesAt === null ? null : Math.max(0, freesAt - context.now);
  const hint = remedy(limit, refusal.sessionId, waitMs);
  const headers: Record<string, string> = { ...NEVER_RETRY };
  const details: { [key: string]: Json } = {
    ...numbers(limit, asked, refusal.sessionId),
    remedy: hint,
  };
  if (waitMs !== null) details["frees_at"] = Math.ceil((context.now + waitMs) / 1000);
  if (waitMs !== null && waitMs <= SHORT_WAIT_MS) {
    headers["retry-after"] = String(Math.max(1, Math.ceil(waitMs / 1000)));
  }
  let status = 429;
  let type = "insufficient_quota";
  if (context.onLimit === "auto" && context.client === "codex") {
    // Codex shows no text of a 429 but this header, and only for this type; and it sends one request.
    type = "usage_limit_reached";
    headers["x-codex-promo-message"] = headerText(`${message}. ${hint}`);
    if (waitMs !== null) details["resets_at"] = Math.ceil((context.now + waitMs) / 1000);
  } else if (
    context.onLimit === "auto" && (context.client === "opencode" || context.client === "ai-sdk")
  ) {
    // These try a 429 again and again, whatever it says.
    status = 402;
  }
  const options = { code: "session_limit_exceeded", status, type, hint, details, headers };
  return context.onLimit === "message"
    ? new BudgetMessage(message, options)
    : new SynthError(message, options);
}

function remedy(limit: LimitState, sessionId: string | null, waitMs: number | null): string {
  const wait = waitMs === null ? "" : `wait ${Math.ceil(waitMs / 1000)} s, `;
  if (limit.scope !== "session" || sessionId === null) {
    return `To go on, ${wait}ask the operator to raise the ${limit.scope}'s limit`;
  }
  return `To go on, ${wait}raise it (POST /api/v1/sessions/${sessionId}/limits/increase) or open a new session`;
}

function describe(limit: LimitState, asked: bigint): string {
  const { metric } = limit;
  const parts = [`limit ${amount(metric, limit.value)}`, `used ${amount(metric, used(limit))}`];
  if (limit.held > 0n) parts.push(`reserved ${amount(metric, limit.held)}`);
  if (asked > 0n) parts.push(`this request needs ${amount(metric, asked)}`);
  return parts.join(", ");
}

function numbers(
  limit: LimitState,
  asked: bigint,
  sessionId: string | null,
): { [key: string]: Json } {
  const { metric } = limit;
  return {
    metric: WIRE_METRIC[metric],
    scope: limit.scope,
    session_id: sessionId,
    limit_id: limit.id,
    limit: wireAmount(metric, limit.value),
    used: wireAmount(metric, used(limit)),
    held: wireAmount(metric, limit.held),
    asked: wireAmount(metric, asked),
  };
}

/** An amount in the unit of the wire: tokens, USD, GPU hours, calls. */
export function wireAmount(metric: Metric, value: bigint): number {
  if (metric === "cost") return nanoToUsd(value);
  return metric === "gpu_time" ? Number(value) / 3_600_000 : Number(value);
}

function amount(metric: Metric, value: bigint): string {
  if (metric === "cost") return formatUsd(value);
  if (metric === "gpu_time") return `${(Number(value) / 3_600_000).toFixed(4)} h`;
  return String(value);
}

function headerText(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, " ").slice(0, 500);
}
