/** `GET /api/v1/me`: who is asking, for any key. @module */
import type { Me } from "@synth/core/api";
import { json } from "../http/json.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import { amountsBody } from "../sessions/api/amounts.ts";
import { askLedger } from "../sessions/api/books.ts";
import { isoTimeOrNull } from "../sessions/api/times.ts";
import { limitBody } from "../sessions/api/wire.ts";
import { NOTHING } from "../sessions/limits.ts";

/** The caller, its limits and what it used. */
export async function me(context: RequestContext, services: Services): Promise<Response> {
  const { org, user, keyId, scopes, expiresAt } = context.principal;
  const [key, whole, active] = services.ledger === null
    ? [null, null, null]
    : await askLedger(services, (ledger) =>
      Promise.all([
        ledger.scope({ org, kind: "key", id: keyId }),
        ledger.scope({ org, kind: "org", id: org }),
        ledger.activeSession(org, user),
      ]));
  const body: Me = {
    org_id: org,
    user_id: user,
    key_id: keyId,
    scopes: [...scopes],
    expires_at: isoTimeOrNull(expiresAt),
    limits: [...key?.limits ?? [], ...whole?.limits ?? []].map(limitBody),
    usage: { key: amountsBody(key?.used ?? NOTHING), org: amountsBody(whole?.used ?? NOTHING) },
    active_session_id: active?.id ?? null,
  };
  return json(body);
}
