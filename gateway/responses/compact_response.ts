/** `POST .../responses/compact`: a conversation as one sealed summary. @module */
import { SynthError } from "@synth/core";
import { CompactSchema, parseRequest, parseResponsesRequest } from "@synth/core/api";
import type { ResponseObject } from "../bridge/response_object.ts";
import { json } from "../http/json.ts";
import { readJson } from "../http/read_json.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import { respond } from "./create_response.ts";
import { inputItems } from "./stored_input.ts";

/** Names that a typing error can be near to. */
const FIELDS = ["model", "input", "previous_response_id", "instructions", "prompt_cache_key"];

/** Asks the model for a summary, under a lease like any other turn. Nothing is stored. */
export async function compactResponse(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  const asked = parseResponsesRequest(parseRequest(CompactSchema, await readJson(context), FIELDS));
  const made = await respond(context, services, {
    ...asked,
    input: [...inputItems(asked), { type: "compaction_trigger" }],
    store: false,
    stream: false,
  });
  const response: ResponseObject = await made.json();
  if (response.status !== "completed") {
    throw new SynthError("The model's summary did not come to its end", {
      code: "compaction_incomplete",
      status: 502,
      type: "server_error",
      hint: "The budget or the model's ceiling cut it",
    });
  }
  const { id, created_at, output, usage } = response;
  const headers = Object.fromEntries(made.headers);
  return json({ id, object: "response.compaction", created_at, output, usage }, 200, headers);
}
