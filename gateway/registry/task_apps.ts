/** `/api/v1/registry/task-apps`: which task apps run, by their own word. @module */
import { SynthError } from "@synth/core";
import { AnnouncementRequestSchema, parseRequest } from "@synth/core/api";
import { json } from "../http/json.ts";
import { readJson } from "../http/read_json.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import { invalidQuery, nextLink, pageOf, queryOf } from "../sessions/api/page.ts";
import { taskAppNotFound, TaskAppRegistry } from "./task_app_registry.ts";

const FIELDS = [
  "url",
  "name",
  "version",
  "dataset_id",
  "tunnel_mode",
  "instance_id",
  "ttl_seconds",
];
const DEFAULT_TTL = 90;
const APP_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const INSTANCE_ID = /^[A-Za-z0-9_-]{1,64}$/;

/** `PUT /api/v1/registry/task-apps/{app_id}`: makes the entry or keeps it; the heartbeat is the same request again. */
export async function announceTaskApp(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  const appId = context.params["id"] ?? "";
  if (!APP_ID.test(appId)) {
    throw new SynthError("This is no id of a task app", {
      code: "invalid_app_id",
      status: 400,
      param: "app_id",
      hint: "1 to 128 of A-Z a-z 0-9 . _ -, the first a letter or a digit",
    });
  }
  const request = parseRequest(AnnouncementRequestSchema, await readJson(context), FIELDS);
  const entry = await registryOf(services).announce(context.principal.org, {
    app_id: appId,
    url: checkedUrl(request.url),
    name: request.name ?? null,
    version: request.version ?? null,
    dataset_id: request.dataset_id ?? null,
    tunnel_mode: request.tunnel_mode ?? null,
    instance_id: request.instance_id ?? null,
    ttlMs: (request.ttl_seconds ?? DEFAULT_TTL) * 1000,
  });
  return json(entry);
}

/** `GET /api/v1/registry/task-apps`: newest first. `Link` has the cursor of the next page. */
export async function listTaskApps(context: RequestContext, services: Services): Promise<Response> {
  const query = queryOf(context);
  const { limit } = pageOf(query);
  const asked = query.get("cursor") ?? undefined;
  const page = await registryOf(services).entries(context.principal.org, limit, asked);
  const link = page.cursor === null
    ? {}
    : nextLink(context, { limit: String(limit), cursor: page.cursor });
  return json(page.entries, 200, link);
}

/** `GET /api/v1/registry/task-apps/{app_id}` */
export async function getTaskApp(context: RequestContext, services: Services): Promise<Response> {
  const entry = await registryOf(services).get(context.principal.org, appIdOf(context));
  if (entry === null) throw taskAppNotFound();
  return json(entry);
}

/** `DELETE /api/v1/registry/task-apps/{app_id}`: with `instance_id`, only when the entry is that instance's. */
export async function removeTaskApp(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  const appId = appIdOf(context);
  const instance = queryOf(context).get("instance_id");
  if (instance !== null && !INSTANCE_ID.test(instance)) {
    throw invalidQuery("instance_id", "expected 1 to 64 of A-Z a-z 0-9 _ -");
  }
  const removed = await registryOf(services).remove(context.principal.org, appId, instance);
  return json({ app_id: appId, removed });
}

/** The app id of the path; one that cannot be has no entry. */
function appIdOf(context: RequestContext): string {
  const appId = context.params["id"] ?? "";
  if (!APP_ID.test(appId)) throw taskAppNotFound();
  return appId;
}

function checkedUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const usable = url !== null && (url.protocol === "http:" || url.protocol === "https:") &&
    url.username === "" && url.password === "" && url.search === "" && url.hash === "";
  if (usable) return (url.origin + url.pathname).replace(/\/+$/, "");
  throw new SynthError(
    "Invalid 'url': expected an HTTP address without a user, query or fragment",
    {
      code: "invalid_value",
      status: 400,
      param: "url",
    },
  );
}

function registryOf({ documents, clock }: Services): TaskAppRegistry {
  if (documents !== null) return new TaskAppRegistry(documents, clock);
  throw new SynthError("This gateway keeps no documents, and so no registry", {
    code: "registry_unavailable",
    status: 501,
    hint: "Start it with synth up, or give createGateway() documents",
  });
}
