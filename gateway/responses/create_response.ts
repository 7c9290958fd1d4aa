/** `POST .../responses`: from the body to the answer. @module */
import type { SynthError } from "@synth/core";
import { parseResponsesRequest, type ResponsesRequest } from "@synth/core/api";
import { type ClientTraits, clientTraits } from "../bridge/client_traits.ts";
import type { TurnPlan } from "../bridge/plan.ts";
import { withoutOldestTurns } from "../bridge/request/oldest_turns.ts";
import { planTurn, withMaxOutput } from "../bridge/request/plan_turn.ts";
import type { Sealed } from "../bridge/seal.ts";
import { streamErrorOf } from "../bridge/upstream_error.ts";
import { ResponseRelay } from "../bridge/reverse/response_relay.ts";
import { capped, type ResponsesBody } from "../bridge/reverse/responses_body.ts";
import { headerList } from "../http/header_list.ts";
import { json } from "../http/json.ts";
import { readJson } from "../http/read_json.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import type { AdmissionRequest } from "../sessions/admission.ts";
import type { Lease } from "../sessions/lease.ts";
import { BudgetMessage } from "../sessions/refusal.ts";
import { type FailedAttempt, firstServing } from "../upstreams/fallback.ts";
import { openUpstream, watchClient } from "../upstreams/open_upstream.ts";
import { idleTimeoutMs } from "../upstreams/idle_timeout.ts";
import type { ResolvedModel } from "../upstreams/model_table.ts";
import { chatEvents } from "../turn/chat_events.ts";
import { Turn } from "../turn/turn.ts";
import { failedResponseError } from "../turn/turn_error.ts";
import { STREAM_HEADERS, turnStream } from "../turn/turn_stream.ts";
import { budgetMessage } from "./budget_message.ts";
import { failedStream } from "./failed_stream.ts";
import { withoutHostedTools } from "./hosted_tools.ts";
import { passResponse } from "./pass_response.ts";
import { ResponseTranslation, type ResponseTranslationOptions } from "./response_translation.ts";

/** Answers a request for a response, streamed or whole. */
export async function createResponse(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  const body = parseResponsesRequest(await readJson(context));
  const model = context.snapshot.models.resolve(body.model, 400);
  const answerTo = (asked: ResponsesRequest): Promise<Answered> => {
    return answerOf(context, services, asked, model);
  };
  if (body.truncation !== "auto") return settled(await answerTo(body));
  return await truncating(body, answerTo);
}

/** An answer, or the error to give unless a shorter request is tried. */
type Answered = Response | SynthError;

function settled(answered: Answered): Response {
  if (answered instanceof Response) return answered;
  throw answered;
}

/** The answer of the model, or of the first of its fallbacks that serves. */
async function answerOf(
  context: RequestContext,
  services: Services,
  asked: ResponsesRequest,
  model: ResolvedModel,
): Promise<Answered> {
  const client = clientTraits(context.request.headers);
  let making: ResponseTranslationOptions | null = null;
  const attempt = (
    asked: ResponsesRequest,
    one: ResolvedModel,
    dropped: readonly string[],
  ): Promise<Answered | FailedAttempt<Answered>> => {
    const { plan: planned, pass } = planFor(asked, one, client, context, services);
    const plan = dropped.length === 0 ? planned : { ...planned, droppedTools: dropped };
    const { clock, principal: { org } } = context;
    const stream = asked.stream === true;
    const own = { plan, clock, org, sealer: services.sealer, stream };
    making ??= own;
    const request = admissionRequest(asked, plan, one, client, context);
    return answer(context, services, own, request, pass);
  };
  try {
    return await firstServing<Answered>(context, model, async (one) => {
      try {
        return await attempt(asked, one, []);
      } catch (error) {
        const less = one.upstream.api === "chat" ? null : withoutHostedTools(asked, client, error);
        if (less === null) throw error;
        return await attempt(less.asked, one, less.dropped);
      }
    });
  } catch (error) {
    // As the answer to a compaction the words would become the history.
    const told = making as ResponseTranslationOptions | null;
    if (!(error instanceof BudgetMessage) || told === null || told.plan.compaction === true) {
      throw error;
    }
    return budgetMessage(told, error);
  }
}

function planFor(
  asked: ResponsesRequest,
  model: ResolvedModel,
  client: ClientTraits,
  context: RequestContext,
  services: Services,
): { readonly plan: TurnPlan; readonly pass: ResponsesBody | null } {
  if (model.upstream.api === "responses") {
    const { plan, body } = passResponse(
      asked,
      model,
      (seal) => opened(seal, asked, context, services),
    );
    return { plan, pass: body };
  }
  const plan = planTurn(asked, {
    profile: model.upstream.profile,
    upstreamModel: model.upstreamName,
    client,
    stopTool: model.config.stop_tool,
    sealer: services.sealer,
    org: context.principal.org,
    maxOutputTokens: model.config.max_output_tokens,
  });
  return { plan, pass: null };
}

/** What we sealed, whichever of the models that may serve this request it was sealed for. */
function opened(
  seal: string,
  asked: ResponsesRequest,
  context: RequestContext,
  services: Services,
): Sealed | null {
  const { models } = context.snapshot;
  const { org } = context.principal;
  for (const { upstreamName } of models.withFallbacks(models.resolve(asked.model, 400))) {
    const sealed = services.sealer?.open(seal, { org, model: upstreamName }) ?? null;
    if (sealed !== null) return sealed;
  }
  return null;
}

/** Leaves the oldest turns away until the upstream takes the rest, or nothing more can go. */
async function truncating(
  body: ResponsesRequest,
  answerTo: (asked: ResponsesRequest) => Promise<Answered>,
): Promise<Response> {
  let asked = body;
  let dropped = 0;
  while (true) {
    const answered = await answerTo(asked);
    const less = answered instanceof Response ? null : withoutOldestTurns(asked);
    if (less === null) {
      const response = settled(answered);
      if (dropped > 0) response.headers.set("x-synth-truncated", String(dropped));
      return response;
    }
    asked = less.body;
    dropped += less.dropped;
  }
}

async function answer(
  context: RequestContext,
  services: Services,
  making: ResponseTranslationOptions,
  request: AdmissionRequest,
  pass: ResponsesBody | null,
): Promise<Answered | FailedAttempt<Answered>> {
  const { upstream } = request.model;
  const { gateway } = context.snapshot.config;
  const { plan } = making;
  const opened = await openUpstream(context, services, request, (lease) => {
    return pass === null
      ? clamped(plan, upstream.profile, lease).chat
      : capped(pass, lease.maxOutputTokens);
  });
  const headers = { ...planHeaders(plan), ...opened.headers };
  const failed = (failure: SynthError): FailedAttempt<Answered> => ({
    failure,
    answer: () => refused(context, making, failure, headers),
  });
  if (!opened.ok) return failed(opened.error);
  const { lease } = opened;
  const events = await chatEvents(opened.reply, services, lease, context, upstream.key);
  if ("error" in events) return failed(events.error);
  const translation = pass === null ? new ResponseTranslation(making) : new ResponseRelay({
    echo: plan.echo,
    inputBytes: plan.inputBytes,
    createdAt: Math.floor(context.clock.now() / 1000),
    stream: request.stream,
  });
  const turn = new Turn({
    context,
    admission: services.admission,
    lease,
    translation,
    source: events.source,
    secret: upstream.key,
    idleTimeoutMs: idleTimeoutMs(gateway, upstream.profile),
  });
  if (!request.stream) return await whole(turn, translation, context, headers);
  context.streaming = true;
  const stream = turnStream(turn, translation, context.clock, gateway.keepalive_s * 1000);
  return new Response(stream, { headers: { ...STREAM_HEADERS, ...headers } });
}

async function whole(
  turn: Turn,
  translation: ResponseTranslation | ResponseRelay,
  context: RequestContext,
  headers: Record<string, string>,
): Promise<Response> {
  const stopWatching = watchClient(context);
  while (!turn.over) await turn.step();
  stopWatching();
  const { response, usage } = translation;
  if (response === null) throw new Error("a turn that is over has a response");
  if (response.error !== null) throw context.abortReason ?? failedResponseError(response.error);
  return json(response, 200, {
    ...headers,
    ...(usage.reported ? {} : { "x-bridge-usage": "estimated" }),
  });
}

/** 5xx make agents try again and again; inside a stream a failure costs them far fewer requests. 4xx stay what they are. */
function refused(
  context: RequestContext,
  making: ResponseTranslationOptions,
  error: SynthError,
  headers: Record<string, string>,
): Answered {
  if (error.code === "context_length_exceeded") return error;
  // 503 is ours, when the gateway stops: another one may serve.
  if (!making.stream || error.status < 500 || error.status === 503) throw error;
  context.fields["error_code"] = error.code;
  context.fields["outcome"] = "failed";
  const stream = failedStream(making, streamErrorOf(error));
  return new Response(stream, { headers: { ...STREAM_HEADERS, ...headers } });
}

function clamped(
  plan: TurnPlan,
  profile: ResolvedModel["upstream"]["profile"],
  lease: Lease,
): TurnPlan {
  return lease.maxOutputTokens === null
    ? plan
    : withMaxOutput(plan, profile, lease.maxOutputTokens);
}

function admissionRequest(
  body: ResponsesRequest,
  plan: TurnPlan,
  model: ResolvedModel,
  client: ClientTraits,
  context: RequestContext,
): AdmissionRequest {
  return {
    requestId: context.id,
    principal: context.principal,
    headers: context.request.headers,
    client,
    model,
    api: "responses",
    stream: body.stream === true,
    chat: plan.chat,
    inputBytes: plan.inputBytes,
    media: plan.media,
    requestedOutputTokens: body.max_output_tokens ?? null,
    deadlineMs: context.snapshot.config.gateway.request_deadline_s * 1000,
  };
}

function planHeaders(plan: TurnPlan): Record<string, string> {
  const headers: Record<string, string> = {};
  if (plan.ignored.length > 0) headers["x-synth-ignored"] = headerList(plan.ignored);
  if (plan.droppedTools.length > 0) {
    headers["x-bridge-dropped-tools"] = headerList(plan.droppedTools);
  }
  return headers;
}
