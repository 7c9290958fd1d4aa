/** `GET /openapi.json`: made from the schemas that requests are checked with. @module */
import type { RequestContext } from "../http/request_context.ts";
import { json } from "../http/json.ts";
import type { Services } from "../services.ts";

let text: Promise<object> | null = null;

/** The description. Made once, when it is first asked for: neither start-up nor a request pays for it. */
export async function openApi(context: RequestContext, services: Services): Promise<Response> {
  context.fields["quiet"] = true;
  text ??= import("./document.ts").then(({ openApiDocument }) => openApiDocument(services.version));
  return json(await text);
}
