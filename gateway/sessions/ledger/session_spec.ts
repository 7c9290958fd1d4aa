/** A session's constant part as the stores keep it: one text, equal for equal specs. @module */
import { SynthError } from "@synth/core";
import { reached } from "../limits.ts";
import type { LimitState } from "../limits.ts";
import type { Session, SessionQuery, SessionSpec, SessionStatus } from "./ledger.ts";

/** What is kept of a spec beside its columns. `print` tells one spec from another. */
export interface KeptSpec {
  readonly type: string;
  readonly tracingSessionId: string | null;
  readonly metadata: SessionSpec["metadata"];
  readonly print: string;
}

/** The text to keep. */
export function specText(spec: SessionSpec): string {
  const { type, tracingSessionId, metadata } = spec;
  return JSON.stringify({ type, tracingSessionId, metadata, print: printOf(spec) });
}

/** Reads what {@linkcode specText} made. */
export function parseSpec(text: string): KeptSpec {
  return JSON.parse(text) as KeptSpec;
}

/** Whether a kept text came from an equal spec. Ids of limits do not count: a client that tries again makes new ones. */
export function sameSpec(text: string, spec: SessionSpec): boolean {
  return parseSpec(text).print === printOf(spec);
}

function printOf(spec: SessionSpec): string {
  return JSON.stringify([
    spec.ttlMs,
    spec.idleMs,
    spec.limits.map((limit) => [
      limit.metric,
      limit.kind,
      String(limit.value),
      limit.windowMs,
      limit.warnPpm,
      limit.expiresAt,
    ]),
    spec.type,
    spec.tracingSessionId,
    canonical(spec.metadata),
  ]);
}

function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1);
  return entries.map(([key, member]) => [key, canonical(member)]);
}

/** What a session's status is, for display: limits and times decide. */
export function statusOf(
  over: "session_ended" | "session_expired" | null,
  limits: readonly LimitState[],
): SessionStatus {
  if (over === "session_ended") return "ended";
  if (over === "session_expired") return "expired";
  return limits.some((limit) => limit.kind === "hard" && reached(limit))
    ? "limit_exceeded"
    : "active";
}

/** Whether a session is one of those asked for. */
export function matches(session: Session, query: SessionQuery): boolean {
  return (query.user === undefined || session.user === query.user) &&
    (query.status === undefined || session.status === query.status) &&
    (query.active === undefined || session.isActive === query.active);
}

/** The error for an id that is another session's. */
export function conflict(id: string): SynthError {
  return new SynthError(`The session id "${id}" is taken by a different session`, {
    code: "session_conflict",
    status: 409,
    param: "session_id",
  });
}
