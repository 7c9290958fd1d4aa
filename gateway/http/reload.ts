import type { RequestContext } from "./request_context.ts";
import type { Services } from "../services.ts";
import { json } from "./json.ts";

/** `POST /admin/reload`: takes the configuration anew. A bad one is an error, and the old one stays in force. */
export async function reload(_context: RequestContext, services: Services): Promise<Response> {
  await services.reload();
  return json({ object: "reload", reloaded: true });
}
