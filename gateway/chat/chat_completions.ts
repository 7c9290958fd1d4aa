/** `POST .../chat/completions`: passed on to a Chat upstream, under the same admission as everything else. @module */
import { type ChatCompletionsRequest, parseChatRequest } from "@synth/core/api";
import type { ChatRequest } from "../bridge/chat.ts";
import { clientTraits } from "../bridge/client_traits.ts";
import { json } from "../http/json.ts";
import { readJson } from "../http/read_json.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import type { AdmissionRequest } from "../sessions/admission.ts";
import { BudgetMessage } from "../sessions/refusal.ts";
import type { Lease } from "../sessions/lease.ts";
import { chatEvents } from "../turn/chat_events.ts";
import { Turn } from "../turn/turn.ts";
import { STREAM_HEADERS, turnStream } from "../turn/turn_stream.ts";
import type { ResolvedModel } from "../upstreams/model_table.ts";
import { type FailedAttempt, failedWith, firstServing } from "../upstreams/fallback.ts";
import { openUpstream } from "../upstreams/open_upstream.ts";
import { idleTimeoutMs } from "../upstreams/idle_timeout.ts";
import { budgetChat } from "./budget_chat.ts";
import { wholeChat } from "./chat_whole.ts";
import { ChatRelay } from "./chat_relay.ts";
import { chatSize } from "./chat_size.ts";
import { refuseFileIds } from "./refuse_file_ids.ts";
import { reverseChat } from "./reverse_chat.ts";

/** Answers a Chat request, streamed or whole. */
export async function chatCompletions(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  const body = parseChatRequest(await readJson(context));
  const model = context.snapshot.models.resolve(body.model, 404);
  try {
    return await firstServing(context, model, (one, last) => {
      return one.upstream.api === "chat"
        ? passOn(context, services, body, one, last)
        : reverseChat(context, services, body, one, last);
    });
  } catch (error) {
    if (!(error instanceof BudgetMessage)) throw error;
    // Its status is 200: without this the log would take it for a model's answer.
    context.fields["error_code"] = error.code;
    const asked = { model, stream: body.stream === true };
    return budgetChat(asked, error, Math.floor(context.clock.now() / 1000));
  }
}

/** To an upstream that speaks Chat, too. */
async function passOn(
  context: RequestContext,
  services: Services,
  body: ChatCompletionsRequest,
  model: ResolvedModel,
  last: boolean,
): Promise<Response | FailedAttempt<Response>> {
  refuseFileIds(body.messages);
  const request = admissionRequest(body, model, context);
  const { gateway } = context.snapshot.config;
  const opened = await openUpstream(context, services, request, (lease) => {
    return clamped(request.chat, model, lease);
  });
  if (!opened.ok) return failedWith(opened.error);
  const { lease, reply, headers } = opened;
  // The answer of a fallback has the name that was asked for.
  const named = model.name === body.model ? null : body.model;
  if (!request.stream) {
    const whole = await wholeChat(context, services, lease, reply, request);
    if ("error" in whole) return failedWith(whole.error);
    return json(named === null ? whole.body : { ...whole.body, model: named }, 200, headers);
  }
  const idleMs = idleTimeoutMs(gateway, model.upstream.profile);
  const { key } = model.upstream;
  const events = await chatEvents(reply, services, lease, context, key, last ? null : idleMs);
  if ("error" in events) return failedWith(events.error);
  const showUsage = body.stream_options?.include_usage === true;
  const relay = new ChatRelay({
    inputBytes: request.inputBytes,
    showUsage,
    choices: typeof body.n === "number" ? body.n : 1,
    model: named,
  });
  // Before the turn begins: a client that is gone already has aborted a stream, or closed a request.
  context.streaming = request.stream;
  const turn = new Turn({
    context,
    admission: services.admission,
    lease,
    translation: relay,
    source: events.source,
    secret: key,
    idleTimeoutMs: idleMs,
  });
  const stream = turnStream(turn, relay, context.clock, gateway.keepalive_s * 1000);
  return new Response(stream, { headers: { ...STREAM_HEADERS, ...headers } });
}

function admissionRequest(
  body: ChatCompletionsRequest,
  model: ResolvedModel,
  context: RequestContext,
): AdmissionRequest {
  const stream = body.stream === true;
  // The upstream judges what the gateway does not look at; what it looks at has been checked.
  const chat = { ...body, model: model.upstreamName, stream } as unknown as ChatRequest;
  delete chat.stream_options;
  if (stream && model.upstream.profile.streamOptions) {
    chat.stream_options = { ...body.stream_options, include_usage: true };
  }
  const { messages, tools, functions, response_format } = body;
  const { bytes, media } = chatSize([messages, tools, functions, response_format]);
  return {
    requestId: context.id,
    principal: context.principal,
    headers: context.request.headers,
    client: clientTraits(context.request.headers),
    model,
    api: "chat",
    stream,
    chat,
    inputBytes: bytes,
    media,
    requestedOutputTokens: body.max_completion_tokens ?? body.max_tokens ?? null,
    deadlineMs: context.snapshot.config.gateway.request_deadline_s * 1000,
  };
}

/** The output capped at the grant, in whichever fields the client used, else in the one that the upstream knows. */
function clamped(chat: ChatRequest, model: ResolvedModel, lease: Lease): ChatRequest {
  const grant = lease.maxOutputTokens;
  if (grant === null) return chat;
  const capped: ChatRequest = { ...chat };
  const field = model.upstream.profile.maxTokensField;
  capped[field] = Math.min(
    grant,
    chat[field] ?? chat.max_completion_tokens ?? chat.max_tokens ?? grant,
  );
  const other = field === "max_tokens" ? "max_completion_tokens" : "max_tokens";
  // Two caps that differ: some upstreams take the larger one.
  delete capped[other];
  return capped;
}
