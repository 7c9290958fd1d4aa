/** Reading and deleting stored responses. @module */
import { SynthError } from "@synth/core";
import { json } from "../http/json.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import { invalidQuery, queryOf, wordOf } from "../sessions/api/page.ts";
import { isUnstoredId } from "./response_ids.ts";
import { UNREADABLE } from "./load_history.ts";
import type { Absence } from "./response_store.ts";
import type { StoredResponse } from "./stored_response.ts";

/** `GET .../responses/{id}`: as it went out. */
export async function getResponse(context: RequestContext, services: Services): Promise<Response> {
  if (queryOf(context).get("stream") === "true") {
    throw new SynthError("A stored response cannot be streamed", {
      code: "unsupported_parameter",
      status: 400,
      param: "stream",
    });
  }
  return json((await findResponse(context, services)).response);
}

/** `DELETE .../responses/{id}`. */
export async function deleteResponse(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  const id = idOf(context);
  const { responses } = services;
  if (responses === null || !await responses.delete(context.principal.org, id)) {
    throw responseNotFound(id);
  }
  return json({ id, object: "response", deleted: true });
}

/** `POST .../responses/{id}/cancel`: there are no background responses, so none can be cancelled. */
export async function cancelResponse(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  await findResponse(context, services);
  throw new SynthError("Only a response with background: true can be cancelled", {
    code: "response_not_background",
    status: 400,
    hint: "Close the connection of a stream to stop it",
  });
}

/** `GET .../responses/{id}/input_items`: the input of this turn; that of earlier ones is with them. */
export async function listInputItems(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  const query = queryOf(context);
  const order = wordOf(query, "order", ["asc", "desc"]) ?? "desc";
  const limit = limitOf(query);
  const { input } = await findResponse(context, services);
  const items = order === "asc" ? [...input] : [...input].reverse();
  const after = query.get("after");
  const at = after === null ? -1 : items.findIndex((item) => item.id === after);
  if (after !== null && at < 0) throw invalidQuery("after", "no item of this response has this id");
  const data = items.slice(at + 1, at + 1 + limit);
  return json({
    object: "list",
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: at + 1 + limit < items.length,
  });
}

/** The response that the path names. @throws {SynthError} 404 `response_not_found` */
export async function findResponse(
  context: RequestContext,
  services: Services,
): Promise<StoredResponse> {
  const id = idOf(context);
  const [found = "absent"] = await services.responses?.load(context.principal.org, [id]) ?? [];
  if (typeof found === "string") throw responseNotFound(id, found);
  return found.stored;
}

/** The error for an id that is none of this org's responses, or was one. */
export function responseNotFound(id: string, why: Absence = "absent"): SynthError {
  const hint = isUnstoredId(id)
    ? "It was made with store: false"
    : why === "sealed"
    ? `It is stored, but ${UNREADABLE}`
    : undefined;
  return new SynthError(`Response with id '${id.slice(0, 64)}' not found.`, {
    code: "response_not_found",
    status: 404,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** The id of the path. */
export function idOf(context: RequestContext): string {
  return context.params["id"] ?? "";
}

function limitOf(query: URLSearchParams): number {
  const text = query.get("limit") ?? "20";
  const limit = /^[0-9]{1,3}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= 100) return limit;
  throw invalidQuery("limit", "expected an integer from 1 to 100");
}
