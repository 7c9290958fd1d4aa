/** Which session a request belongs to, by its headers. @module */
import { isSessionId, newSessionId, SynthError, usdToNano } from "@synth/core";
import type { SessionsConfig } from "@synth/core/config";
import type { Attach, SessionSpec } from "./ledger/ledger.ts";

/** A session to attach to; `active`: the active one or a refusal, because none may be opened. */
export type WantedSession = Attach | { readonly kind: "active" };

/**
 * Reads `X-Synth-Session-ID`, else an `X-Session-ID` of our shape (any other shape is an agent's own id), else takes the active session
 * of the org and user, else has one opened with the configured defaults. `X-No-Session: true` skips the session.
 *
 * @throws {SynthError} 403 `opt_out_disabled`, 400 `invalid_session_id`
 */
export function attachmentOf(headers: Headers, config: SessionsConfig): WantedSession {
  const named = headers.get("x-synth-session-id");
  if (named !== null) {
    if (isSessionId(named)) return { kind: "id", id: named };
    throw new SynthError("The X-Synth-Session-ID header does not hold a session id", {
      code: "invalid_session_id",
      status: 400,
      param: "X-Synth-Session-ID",
      hint: "A session id is sess_ and 26 of [0-9a-z]; POST /api/v1/sessions makes one",
      headers: { "x-should-retry": "false" },
    });
  }
  const optOut = headers.get("x-no-session")?.trim().toLowerCase();
  if (optOut === "true" || optOut === "1") {
    if (config.allow_opt_out) return { kind: "none" };
    throw new SynthError("This gateway does not let requests opt out of sessions", {
      code: "opt_out_disabled",
      status: 403,
      param: "X-No-Session",
      hint: "Leave the X-No-Session header out, or set sessions.allow_opt_out = true",
      headers: { "x-should-retry": "false" },
    });
  }
  const agents = headers.get("x-session-id");
  if (agents !== null && isSessionId(agents)) return { kind: "id", id: agents };
  return config.auto_open ? { kind: "auto", open: defaultSession(config) } : { kind: "active" };
}

/** The session that is opened when a request has none. */
export function defaultSession(config: SessionsConfig): SessionSpec {
  return {
    id: newSessionId(),
    ttlMs: Math.round(config.ttl_hours * 3_600_000),
    idleMs: null,
    limits: [{
      id: "cost",
      metric: "cost",
      kind: "hard",
      value: defaultCost(config),
      windowMs: null,
      warnPpm: null,
      expiresAt: null,
    }],
    type: "api_call",
    tracingSessionId: null,
    metadata: {},
  };
}

/** Read once for a configuration, which is never changed: a reload makes another. */
const defaultCosts: WeakMap<SessionsConfig, bigint> = new WeakMap();

function defaultCost(config: SessionsConfig): bigint {
  let cost = defaultCosts.get(config);
  if (cost === undefined) {
    cost = usdToNano(config.default_limit_cost_usd);
    defaultCosts.set(config, cost);
  }
  return cost;
}
