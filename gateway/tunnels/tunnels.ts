/** `/api/v1/tunnels/`: managed tunnels. Their secrets are in the answers of create, token and rotate, and in no other. @module */
import { SynthError } from "@synth/core";
import {
  type DeletedTunnel,
  parseRequest,
  type TunnelCredentials,
  type TunnelObject,
  TunnelRequestSchema,
} from "@synth/core/api";
import { json } from "../http/json.ts";
import { readJson } from "../http/read_json.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import { derivedId, fingerprint, idempotencyKey } from "../sessions/api/idempotency.ts";
import { nextLink, pageOf, queryOf, wordOf } from "../sessions/api/page.ts";
import { isoTime, isoTimeOrNull } from "../sessions/api/times.ts";
import { CloudflareProvider } from "./cloudflare_provider.ts";
import { readLocalHost, readNameWish } from "./names.ts";
import type { TunnelDocument } from "./tunnel_document.ts";
import {
  type TunnelCaller,
  tunnelNotFound,
  TunnelService,
  type TunnelWithCredentials,
} from "./tunnel_service.ts";
import { TunnelStore } from "./tunnel_store.ts";

const FIELDS = ["subdomain", "local_port", "local_host"];
const STATUSES = ["active", "provisioning", "deleting", "all"] as const;
const TUNNEL_ID = /^tun_[0-9a-v]{32}$/;

/** `POST /api/v1/tunnels/`: 201, or 200 when this request has made it before. Goes on when the client is gone. */
export async function createTunnel(context: RequestContext, services: Services): Promise<Response> {
  const { service, domain } = tunnelsOf(context, services);
  const key = idempotencyKey(context);
  const request = parseRequest(TunnelRequestSchema, await readJson(context), FIELDS);
  const { local_port: localPort, local_host, subdomain } = request;
  const job = service.create(callerOf(context), {
    localPort,
    localHost: readLocalHost(local_host),
    names: readNameWish(subdomain, localPort, domain),
    request: key === null ? null : {
      key: derivedId("treq_", context, ["tunnel", key]),
      fingerprint: fingerprint(request),
    },
  });
  const made = await carriedOut(context, service, job);
  return answer(context, made, made.created ? 201 : 200, {
    location: `/api/v1/tunnels/${made.tunnel.id}`,
  });
}

/** `GET /api/v1/tunnels/`: newest first, the active ones unless `status` asks for others. `Link` has the cursor of the next page. */
export async function listTunnels(context: RequestContext, services: Services): Promise<Response> {
  const { service } = tunnelsOf(context, services);
  const query = queryOf(context);
  const { limit } = pageOf(query);
  const cursor = query.get("cursor");
  const status = wordOf(query, "status", STATUSES) ?? "active";
  const job = service.list(context.principal.org, {
    limit,
    ...(cursor === null ? {} : { cursor }),
    ...(status === "all" ? {} : { phase: status }),
  });
  const page = await carriedOut(context, service, job);
  const link = page.cursor === null
    ? {}
    : nextLink(context, { limit: String(limit), cursor: page.cursor });
  return json(page.tunnels.map(tunnelBody), 200, link);
}

/** `GET /api/v1/tunnels/{id}` */
export async function getTunnel(context: RequestContext, services: Services): Promise<Response> {
  const { service } = tunnelsOf(context, services);
  return json(tunnelBody(await service.get(context.principal.org, idOf(context))));
}

/** `GET /api/v1/tunnels/{id}/token`: for who made it, and admins. */
export async function getTunnelToken(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  const { service } = tunnelsOf(context, services);
  return answer(context, await service.credentials(callerOf(context), idOf(context)));
}

/** `POST /api/v1/tunnels/{id}/rotate`: for who made it, and admins. */
export async function rotateTunnel(context: RequestContext, services: Services): Promise<Response> {
  const { service } = tunnelsOf(context, services);
  const job = service.rotate(callerOf(context), idOf(context));
  return answer(context, await carriedOut(context, service, job));
}

/** `DELETE /api/v1/tunnels/{id}`: 200, or 202 when something is left to be removed later. For who made it, and admins. */
export async function deleteTunnel(context: RequestContext, services: Services): Promise<Response> {
  const { service } = tunnelsOf(context, services);
  const id = idOf(context);
  context.fields["tunnel_id"] = id;
  const gone = await carriedOut(context, service, service.delete(callerOf(context), id));
  const body: DeletedTunnel = { id, status: gone ? "deleted" : "deleting" };
  return json(body, gone ? 200 : 202);
}

/** Lets a job go on when the client is gone, and then finishes what others left half done. */
async function carriedOut<T>(
  context: RequestContext,
  service: TunnelService,
  job: Promise<T>,
): Promise<T> {
  context.waitUntil(job.then(() => {}, () => {}).then(() => service.sweep()));
  return await job;
}

/** The service for this request. @throws {SynthError} 501 `tunnels_not_configured` */
function tunnelsOf(
  context: RequestContext,
  { documents, sealer, clock, log }: Services,
): { service: TunnelService; domain: string } {
  const settings = context.snapshot.tunnels;
  if (settings === null) throw notConfigured("Set [tunnels] in its configuration");
  const { apiToken, apiUrl, domain } = settings;
  if (apiToken === null) throw notConfigured("The API token of [tunnels] is not set");
  if (documents === null || sealer === null) {
    throw notConfigured("It needs a store, and seal keys (SYNTH_SEAL_KEYS)");
  }
  const service = new TunnelService({
    store: new TunnelStore(documents),
    settings,
    sealer,
    clock,
    log,
    provider: ({ accountId, zoneId }, budget) =>
      new CloudflareProvider({
        accountId,
        zoneId,
        apiToken,
        apiUrl,
        fetch: globalThis.fetch,
        budget,
        random: Math.random,
      }),
  });
  return { service, domain };
}

function notConfigured(hint: string): SynthError {
  return new SynthError("This gateway makes no tunnels", {
    code: "tunnels_not_configured",
    status: 501,
    hint,
  });
}

function callerOf({ principal }: RequestContext): TunnelCaller {
  const { org, user, scopes } = principal;
  return { org, user, admin: scopes.has("admin") };
}

/** The id of the path; one that cannot be is not found. */
function idOf(context: RequestContext): string {
  const id = context.params["id"] ?? "";
  if (!TUNNEL_ID.test(id)) throw tunnelNotFound();
  return id;
}

function answer(
  context: RequestContext,
  { tunnel, credentials }: TunnelWithCredentials,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): Response {
  context.fields["tunnel_id"] = tunnel.id;
  const body: TunnelCredentials = {
    ...tunnelBody(tunnel),
    tunnel_token: credentials.tunnelToken,
    access_client_id: credentials.clientId,
    access_client_secret: credentials.clientSecret,
  };
  return json(body, status, headers);
}

function tunnelBody(tunnel: TunnelDocument): TunnelObject {
  const { hostname } = tunnel;
  return {
    id: tunnel.id,
    hostname,
    public_url: hostname === "" ? "" : `https://${hostname}`,
    subdomain: hostname.split(".")[0] ?? "",
    org_id: tunnel.org,
    user_id: tunnel.user,
    local_host: tunnel.localHost,
    local_port: tunnel.localPort,
    status: tunnel.phase,
    created_at: isoTime(tunnel.createdAt),
    access_expires_at: isoTimeOrNull(tunnel.accessExpiresAt),
  };
}
