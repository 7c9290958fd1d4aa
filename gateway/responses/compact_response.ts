/** `POST .../responses/compact`: a conversation as one sealed summary. @module */
import { SynthError } from "@synth/core";
import { CompactSchema, parseRequest, parseResponsesRequest } from "@synth/core/api";
import type { ResponseObject } from "../bridge/response_object.ts";
import { json } from "../http/json.ts";
import { readJson } from "../http/read_json.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import { noSealer } from "../bridge/request/plan_turn.ts";
import type { OutputItem } from "../bridge/output_item.ts";
import { respond } from "./create_response.ts";
import { itemIds } from "./response_ids.ts";
import { inputItems } from "./stored_input.ts";

/** Names that a typing error can be near to. */
const FIELDS = ["model", "input", "previous_response_id", "instructions", "prompt_cache_key"];

/** Asks the model for a summary, under a lease like any other turn. Nothing is stored. */
export async function compactResponse(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  const asked = parseResponsesRequest(parseRequest(CompactSchema, await readJson(context), FIELDS));
  // Before the model has worked for nothing.
  if (services.sealer === null) throw noSealer();
  const made = await respond(context, services, {
    ...asked,
    input: [...inputItems(asked), { type: "compaction_trigger" }],
    store: false,
    stream: false,
  }, { summarise: true });
  const response: ResponseObject = await made.json();
  if (response.status !== "completed") {
    throw new SynthError("The model's summary did not come to its end", {
      code: "compaction_incomplete",
      status: 502,
      type: "server_error",
      hint: "The budget or the model's ceiling cut it",
    });
  }
  const { id, created_at, usage } = response;
  const output = [compactionOf(response, asked.model, made.headers, context, services)];
  const headers = Object.fromEntries(made.headers);
  return json({ id, object: "response.compaction", created_at, output, usage }, 200, headers);
}

/** The item: as it is, when the model was translated to; else made of the words of one that was passed to. */
function compactionOf(
  { id, output }: ResponseObject,
  asked: string,
  headers: Headers,
  context: RequestContext,
  services: Services,
): OutputItem {
  const made = output.find(({ type }) => type === "compaction");
  if (made !== undefined) return made;
  const text = output.flatMap((item) => item.type === "message" ? item.content : [])
    .map((part) => part.type === "output_text" ? part.text : "").join("").toWellFormed();
  if (text.trim() === "") throw withoutSummary();
  const model = context.snapshot.models.resolve(headers.get("x-synth-model") ?? asked, 400);
  const { org } = context.principal;
  const scope = { org, model: model.upstreamName };
  const encrypted_content = services.sealer?.seal({ kind: "compaction", text }, scope);
  if (encrypted_content === undefined) throw noSealer();
  return { id: itemIds(id)("cmp_"), type: "compaction", encrypted_content };
}

function withoutSummary(): SynthError {
  return new SynthError("The model gave no summary", {
    code: "server_error",
    status: 502,
    type: "server_error",
  });
}
