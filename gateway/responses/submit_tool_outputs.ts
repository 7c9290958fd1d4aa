/** `POST .../responses/{id}/submit_tool_outputs`: goes on from a response whose calls the client has carried out. @module */
import { isSessionId, SynthError } from "@synth/core";
import {
  parseRequest,
  parseResponsesRequest,
  type ResponsesRequest,
  type ToolOutputsRequest,
  ToolOutputsSchema,
} from "@synth/core/api";
import { json } from "../http/json.ts";
import { readJson } from "../http/read_json.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import { idempotencyKey } from "../sessions/api/idempotency.ts";
import { STREAM_HEADERS } from "../turn/turn_stream.ts";
import { respond } from "./create_response.ts";
import { replayedEvents } from "./replayed_events.ts";
import { type History, historyOf } from "./load_history.ts";
import { isUnstoredId } from "./response_ids.ts";
import type { Found } from "./response_store.ts";
import type { StoredResponse } from "./stored_response.ts";
import { idOf, responseNotFound } from "./stored_responses.ts";
import { responseIdFor } from "./storing.ts";
import { claimSubmission } from "./submission_claim.ts";
import { callsOf, outputItems } from "./tool_outputs.ts";

/** Names that a typing error can be near to. */
const FIELDS = [
  "tool_outputs",
  "stream",
  "model",
  "tools",
  "tool_choice",
  "metadata",
  "max_output_tokens",
  "include",
  "reasoning",
];

/**
 * Answers with a new response, whole or as a stream, which inherits model, tools, instructions, reasoning, text format and session. With
 * an `Idempotency-Key` the same body gets the same response, and the model is asked once.
 */
export async function submitToolOutputs(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  const id = idOf(context);
  const asked = parseRequest(ToolOutputsSchema, await readJson(context), FIELDS);
  const key = idempotencyKey(context);
  if (isUnstoredId(id)) throw notStored(id);
  const history = await submittedHistory(context, services, id);
  const parent = history.last.stored;
  const body = continuation(parent, asked);
  const options = { history, headers: sessionHeaders(context.request.headers, parent.session) };
  if (key === null) return await respond(context, services, body, options);
  const responseId = responseIdFor(body, history);
  const claim = await claimSubmission(context, services, {
    parent: parent.response.id,
    key,
    asked,
    responseId,
  });
  if (claim.kind === "done") return replay(claim.stored, asked.stream === true);
  let response: Response;
  try {
    response = await respond(context, services, body, { ...options, responseId });
  } catch (error) {
    // What was refused or failed can be tried again with the same key.
    await claim.release();
    throw error;
  }
  // A stream that says only that the upstream failed is not stored either. What a used-up budget says is no answer: it can be raised.
  if (context.fields["outcome"] === "failed" || response.headers.has("x-synth-refused")) {
    await claim.release();
  }
  return response;
}

/** The response that the path names with all that was before it, in one read. @throws {SynthError} 404 `response_not_found` */
async function submittedHistory(
  context: RequestContext,
  services: Services,
  id: string,
): Promise<History & { readonly last: Found }> {
  const { responses } = services;
  const history = responses === null
    ? "absent"
    : await historyOf(id, [], responses, context.principal.org);
  if (typeof history === "string") throw responseNotFound(id, history);
  const { last } = history;
  if (last === null) throw responseNotFound(id);
  return { ...history, last };
}

function continuation(parent: StoredResponse, asked: ToolOutputsRequest): ResponsesRequest {
  const { response } = parent;
  const calls = callsOf(response.output);
  if (response.status !== "completed" || calls.length === 0) {
    const why = calls.length === 0 ? "no call of it waits" : `it is ${response.status}`;
    throw new SynthError(`This response takes no tool outputs: ${why}`, {
      code: "response_not_completed",
      status: 409,
      details: { status: response.status },
    });
  }
  const had = parent.asked ?? response;
  return parseResponsesRequest({
    model: asked.model ?? response.model,
    previous_response_id: response.id,
    input: outputItems(calls, asked.tool_outputs),
    instructions: had.instructions,
    tools: asked.tools ?? had.tools,
    tool_choice: asked.tool_choice ?? "auto",
    parallel_tool_calls: had.parallel_tool_calls,
    reasoning: asked.reasoning ?? had.reasoning,
    text: had.text,
    prompt_cache_key: had.prompt_cache_key,
    stream: asked.stream,
    metadata: asked.metadata,
    max_output_tokens: asked.max_output_tokens,
    include: asked.include,
  });
}

/** The session of the response before pays, unless the request names one itself. */
function sessionHeaders(headers: Headers, session: string | null): Headers {
  const own = headers.has("x-synth-session-id") || headers.has("x-no-session") ||
    isSessionId(headers.get("x-session-id") ?? "");
  if (own || session === null) return headers;
  const more = new Headers(headers);
  more.set("x-synth-session-id", session);
  return more;
}

function replay({ response }: StoredResponse, stream: boolean): Response {
  const headers = { "x-synth-replayed": "true" };
  return stream
    ? new Response(replayedEvents(response), { headers: { ...STREAM_HEADERS, ...headers } })
    : json(response, 200, headers);
}

function notStored(id: string): SynthError {
  return new SynthError(`Response with id '${id.slice(0, 64)}' was not stored.`, {
    code: "response_not_stored",
    status: 400,
    hint: "It was made with store: false; send its items and the outputs as input",
  });
}
