/** A Chat request on an upstream that speaks the Responses API. @module */
import type { ChatCompletionsRequest } from "@synth/core/api";
import { clientTraits } from "../bridge/client_traits.ts";
import { meteringView } from "../bridge/reverse/metering.ts";
import { requestedOutput, reverseRequest } from "../bridge/reverse/request.ts";
import { capped } from "../bridge/reverse/responses_body.ts";
import { headerList } from "../http/header_list.ts";
import { json } from "../http/json.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import type { AdmissionRequest } from "../sessions/admission.ts";
import { chatEvents } from "../turn/chat_events.ts";
import { Turn } from "../turn/turn.ts";
import { failedResponseError } from "../turn/turn_error.ts";
import { STREAM_HEADERS, turnStream } from "../turn/turn_stream.ts";
import { type FailedAttempt, failedWith } from "../upstreams/fallback.ts";
import { idleTimeoutMs } from "../upstreams/idle_timeout.ts";
import type { ResolvedModel } from "../upstreams/model_table.ts";
import { openUpstream, watchClient } from "../upstreams/open_upstream.ts";
import { chatSize } from "./chat_size.ts";
import { ReverseTranslation } from "./reverse_translation.ts";

/**
 * Translates, asks, translates back.
 *
 * @throws {SynthError} 400 for what has no equivalent, and what admission refuses
 */
export async function reverseChat(
  context: RequestContext,
  services: Services,
  body: ChatCompletionsRequest,
  model: ResolvedModel,
  last: boolean,
): Promise<Response | FailedAttempt<Response>> {
  const { gateway } = context.snapshot.config;
  const reversed = reverseRequest(body, model.upstreamName);
  const view = meteringView(reversed.body);
  const { bytes, media } = chatSize([view.messages, view.tools, view.response_format]);
  const request: AdmissionRequest = {
    requestId: context.id,
    principal: context.principal,
    headers: context.request.headers,
    client: clientTraits(context.request.headers),
    model,
    api: "chat",
    stream: reversed.body.stream,
    chat: view,
    inputBytes: bytes,
    media,
    requestedOutputTokens: requestedOutput(body),
    deadlineMs: gateway.request_deadline_s * 1000,
  };
  const opened = await openUpstream(context, services, request, (lease) => {
    return capped(reversed.body, lease.maxOutputTokens);
  });
  if (!opened.ok) return failedWith(opened.error);
  const { lease, reply } = opened;
  const ignored = headerList(reversed.ignored);
  const headers: Record<string, string> = {
    ...(ignored === "" ? {} : { "x-synth-ignored": ignored }),
    ...opened.headers,
  };
  const idleMs = idleTimeoutMs(gateway, model.upstream.profile);
  const { key } = model.upstream;
  const probeMs = last || !request.stream ? null : idleMs;
  const events = await chatEvents(reply, services, lease, context, key, probeMs);
  if ("error" in events) return failedWith(events.error);
  const translation = new ReverseTranslation({
    model: body.model,
    createdAt: Math.floor(context.clock.now() / 1000),
    inputBytes: bytes,
    legacyCalls: reversed.legacyCalls,
    stream: request.stream,
    showUsage: body.stream_options?.include_usage === true,
  });
  // Before the turn begins: a client that is gone already has aborted a stream, or closed a request.
  context.streaming = request.stream;
  const turn = new Turn({
    context,
    admission: services.admission,
    lease,
    translation,
    source: events.source,
    secret: key,
    idleTimeoutMs: idleMs,
  });
  if (!request.stream) {
    const stopWatching = watchClient(context);
    while (!turn.over) await turn.step();
    stopWatching();
    const { failure, usage, completion } = translation;
    if (failure !== null) return failedWith(context.abortReason ?? failedResponseError(failure));
    const estimated = usage.reported ? {} : { "x-bridge-usage": "estimated" };
    return json(completion, 200, { ...headers, ...estimated });
  }
  const stream = turnStream(turn, translation, context.clock, gateway.keepalive_s * 1000);
  return new Response(stream, { headers: { ...STREAM_HEADERS, ...headers } });
}
