/** `POST .../responses/input_tokens`: how large an input is, as an estimate. @module */
import { parseResponsesRequest } from "@synth/core/api";
import { json } from "../http/json.ts";
import { readJson } from "../http/read_json.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import { loadHistory } from "./load_history.ts";
import { returnedItems } from "./passed_input.ts";
import { planFor } from "./plan_for.ts";

/** What text comes to, on average. */
const BYTES_PER_TOKEN = 4;
const TOKENS_PER_MESSAGE = 4;
/** An image, a file or a piece of audio whose size nobody told. */
const TOKENS_PER_MEDIUM = 1000;

/**
 * Counts what would be sent, history included, without a tokenizer: the upstream's own count may differ by a third or more, as the
 * header `x-bridge-usage: estimated` says. Costs nothing.
 */
export async function countInputTokens(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  const body = parseResponsesRequest(await readJson(context));
  const model = context.snapshot.models.resolve(body.model, 400);
  const { org } = context.principal;
  const returned = model.upstream.api === "responses" ? returnedItems(body) : [];
  const history = await loadHistory(body, services.responses, org, returned);
  const { plan } = planFor({ body, history }, model, context, services);
  const { images = 0, files = 0, audio = 0 } = plan.media ?? {};
  const tokens = Math.ceil(plan.inputBytes / BYTES_PER_TOKEN) +
    plan.chat.messages.length * TOKENS_PER_MESSAGE +
    (images + files + audio) * TOKENS_PER_MEDIUM;
  return json({ object: "response.input_tokens", input_tokens: tokens }, 200, {
    "x-bridge-usage": "estimated",
  });
}
