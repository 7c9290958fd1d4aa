/** A response that generates nothing: it holds its input, for a later one to go on from. @module */
import { EventWriter } from "../bridge/event_writer.ts";
import { type ResponseObject, responseObject } from "../bridge/response_object.ts";
import { json } from "../http/json.ts";
import { STREAM_HEADERS } from "../turn/turn_stream.ts";
import { newResponseId } from "./response_ids.ts";
import type { ResponseTranslationOptions } from "./response_translation.ts";

const NOTHING = {
  input_tokens: 0,
  input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
  output_tokens: 0,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: 0,
};

/** A completed response without output. Nothing is sent upstream, and nothing is spent. */
export async function warmUp(
  options: ResponseTranslationOptions,
  keep: (response: ResponseObject) => Promise<void>,
): Promise<Response> {
  const { plan: { echo }, responseId = newResponseId(echo.store) } = options;
  const now = Math.floor(options.clock.now() / 1000);
  const begun = responseObject({
    id: responseId,
    created_at: now,
    status: "in_progress",
    completed_at: null,
    error: null,
    incomplete_details: null,
    output: [],
    usage: null,
  }, echo);
  const response: ResponseObject = {
    ...begun,
    status: "completed",
    completed_at: now,
    usage: NOTHING,
  };
  await keep(response);
  if (!options.stream) return json(response);
  const writer = new EventWriter();
  writer.event({ type: "response.created", sequence_number: 0, response: begun });
  writer.event({ type: "response.in_progress", sequence_number: 1, response: begun });
  writer.event({ type: "response.completed", sequence_number: 2, response });
  return new Response(writer.flush(), { headers: STREAM_HEADERS });
}
