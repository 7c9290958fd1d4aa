/** Keys, arguments and replies of the Redis ledger. @module */
import type { SynthError } from "@synth/core";
import { type RedisReply, storeUnavailable } from "@synth/core/storage";
import { type Amounts, bucketWidth, mapAmounts, METRICS } from "../limits.ts";
import type { LimitSpec, LimitState, ScopeKind } from "../limits.ts";
import type {
  Grant,
  Refusal,
  ReserveInput,
  Session,
  SessionSpec,
  UsageDetail,
  UsageEvent,
} from "./ledger.ts";
import { parseSpec, specText, statusOf } from "./session_spec.ts";

/** A limit as `limit_fields` reads it. */
export function limitArgs(spec: LimitSpec): string[] {
  return [
    spec.id,
    spec.metric,
    spec.kind,
    String(spec.value),
    text(spec.windowMs),
    spec.windowMs === null ? "0" : String(bucketWidth(spec.windowMs)),
    text(spec.warnPpm),
    text(spec.expiresAt),
  ];
}

/** A session as `session_arg` reads it. */
export function sessionArgs(spec: SessionSpec, user: string, keyId: string): string[] {
  return [
    spec.id,
    user,
    keyId,
    specText(spec),
    text(spec.ttlMs),
    text(spec.idleMs),
    String(spec.limits.length),
    ...spec.limits.flatMap(limitArgs),
  ];
}

/** Amounts as `amounts_arg` reads them. */
export function amountArgs(amounts: Amounts): string[] {
  return METRICS.map((metric) => String(amounts[metric]));
}

function text(value: number | null): string {
  return value === null ? "" : String(value);
}

/** A reply that has another shape than the script gives: something else answers under this address. */
export function garbled(): SynthError {
  return storeUnavailable("The ledger's store gave an answer of another shape", "protocol");
}

/** A list. @throws {SynthError} `store_unavailable` */
export function list(reply: RedisReply | undefined): RedisReply[] {
  if (!Array.isArray(reply)) throw garbled();
  return reply;
}

/** A text. @throws {SynthError} `store_unavailable` */
export function word(reply: RedisReply | undefined): string {
  if (typeof reply !== "string") throw garbled();
  return reply;
}

/** A whole number; empty is `null`. @throws {SynthError} `store_unavailable` */
export function numberOrNull(reply: RedisReply | undefined): number | null {
  const digits = word(reply);
  if (digits === "") return null;
  const value = Number(digits);
  if (!Number.isSafeInteger(value)) throw garbled();
  return value;
}

/** A whole number. @throws {SynthError} `store_unavailable` */
export function number(reply: RedisReply | undefined): number {
  return numberOrNull(reply) ?? refuse();
}

/** An amount. @throws {SynthError} `store_unavailable` */
export function amount(reply: RedisReply | undefined): bigint {
  const digits = word(reply);
  if (!/^-?\d+$/.test(digits)) throw garbled();
  return BigInt(digits);
}

function refuse(): never {
  throw garbled();
}

/** Four amounts in the order of {@linkcode METRICS}. */
export function amountsOf(reply: RedisReply | undefined): Amounts {
  const four = list(reply);
  return mapAmounts((metric) => amount(four[METRICS.indexOf(metric)]));
}

/** What `describe_all` gives. */
export function limitsOf(reply: RedisReply | undefined): LimitState[] {
  return list(reply).map(limitOf);
}

/** What `describe` gives. */
export function limitOf(reply: RedisReply | undefined): LimitState {
  const at = list(reply);
  return {
    scope: word(at[0]) as ScopeKind,
    id: word(at[1]),
    metric: word(at[2]) as LimitState["metric"],
    kind: word(at[3]) as LimitState["kind"],
    value: amount(at[4]),
    windowMs: numberOrNull(at[5]),
    warnPpm: numberOrNull(at[6]),
    expiresAt: numberOrNull(at[7]),
    held: amount(at[8]),
    charged: amount(at[9]),
    overrun: amount(at[10]),
  };
}

/** What `view` gives. */
export function sessionOf(org: string, id: string, reply: RedisReply | undefined): Session {
  const at = list(reply);
  const { type, tracingSessionId, metadata } = parseSpec(word(at[2]));
  const over = word(at[9]);
  if (over !== "" && over !== "session_ended" && over !== "session_expired") throw garbled();
  const limits = limitsOf(at[11]);
  return {
    id,
    org,
    user: word(at[0]),
    keyId: word(at[1]),
    type,
    tracingSessionId,
    metadata,
    createdAt: number(at[3]),
    expiresAt: numberOrNull(at[4]),
    idleMs: numberOrNull(at[5]),
    seenAt: number(at[6]),
    endedAt: numberOrNull(at[7]),
    isActive: word(at[8]) === "1" && over === "",
    status: statusOf(over === "" ? null : over, limits),
    used: amountsOf(at[10]),
    limits,
  };
}

/** Who a usage event belongs to: written with the lease, so that an expiry knows it. */
export interface EventOwner {
  readonly user: string;
  readonly keyId: string;
  readonly model: string | null;
  readonly priceVersion: string | null;
  readonly referenceType?: string;
  readonly metadata?: UsageEvent["metadata"];
}

/** The journal's name of an event. */
export function eventMember(sessionId: string | null, id: string): string {
  return `${sessionId ?? "-"} ${id}`;
}

/** Reads a body of the journal. */
export function eventOf(org: string, member: string, body: string): UsageEvent {
  const lines = body.split("\n");
  const [session, id] = [
    member.slice(0, member.indexOf(" ")),
    member.slice(member.indexOf(" ") + 1),
  ];
  const who = JSON.parse(lines[10] || "{}") as Partial<EventOwner>;
  const kind = id.startsWith("ref_") && who.referenceType !== undefined ? "record" : "lease";
  return {
    id,
    kind,
    org,
    sessionId: session === "-" ? null : session,
    user: who.user ?? "",
    keyId: who.keyId ?? "",
    model: who.model ?? null,
    priceVersion: who.priceVersion ?? null,
    at: number(lines[0]),
    amounts: amountsOf(lines.slice(2, 6)),
    overrun: amountsOf(lines.slice(6, 10)),
    expired: lines[1] === "1",
    detail: lines[11] ? JSON.parse(lines[11]) as UsageDetail : null,
    referenceType: who.referenceType ?? null,
    metadata: who.metadata ?? {},
  };
}

/** The arguments of a reserve, by the session that its keys name beside the wanted one. */
export function reserveArgs(
  input: ReserveInput,
  sessionMs: string,
): (hint: string) => string[] {
  const { session, rates } = input;
  const id = session.kind === "auto" ? session.open.id : session.kind === "id" ? session.id : "";
  const who: EventOwner = {
    user: input.user,
    keyId: input.keyId,
    model: input.model,
    priceVersion: input.priceVersion,
  };
  const head = [session.kind, input.leaseId, id, input.keyId, JSON.stringify(who)];
  const tail = [
    sessionMs,
    String(input.inputBound),
    String(input.prefixes.length),
    ...input.prefixes.flatMap(({ hash, rest }) => [hash, String(rest)]),
    String(input.outputWanted),
    String(input.outputMin),
    String(input.outputTimes ?? 1),
    rates === null ? "-1" : String(rates.length),
    ...(rates ?? []).flatMap((rate) => [rate.aboveInput, rate.input, rate.output].map(String)),
    String(input.fees ?? 0n),
    String(input.apiCalls ?? 1n),
    String(input.gpuTime ?? 0n),
    input.unmeterable ? "1" : "",
    String(input.ttlMs),
    ...(session.kind === "auto" ? sessionArgs(session.open, input.user, input.keyId) : []),
  ];
  return (hint) => [...head, hint, ...tail];
}

/** What a reserve gave. */
export function outcomeOf(input: ReserveInput, reply: RedisReply[]): Grant | Refusal {
  if (reply[0] === "granted") {
    return {
      granted: true,
      lease: {
        leaseId: input.leaseId,
        org: input.org,
        keyId: input.keyId,
        sessionId: word(reply[1]) || null,
      },
      opened: reply[2] === "1",
      ...(reply[8] === "open" ? {} : { ended: true }),
      outputTokens: numberOrNull(reply[3]),
      inputTokens: number(reply[4]),
      held: amountsOf(reply[6]),
      expiresAt: number(reply[5]),
      limits: limitsOf(reply[7]),
    };
  }
  if (reply[0] !== "refused") throw garbled();
  const sessionId = word(reply[2]) || null;
  const reason = word(reply[1]) as Refusal["reason"];
  if (
    reason === "exceeded" || reason === "reserved" || reason === "price_unknown" ||
    reason === "unmeterable"
  ) {
    return {
      granted: false,
      sessionId,
      reason,
      limit: limitOf(reply[3]),
      asked: amount(reply[4]),
      freesAt: numberOrNull(reply[5]),
    };
  }
  return { granted: false, sessionId, reason };
}
