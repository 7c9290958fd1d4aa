/** `POST .../responses`: from the body to the answer. @module */
import type { SynthError } from "@synth/core";
import { type InputItem, parseResponsesRequest, type ResponsesRequest } from "@synth/core/api";
import { type ClientTraits, clientTraits } from "../bridge/client_traits.ts";
import type { TurnPlan } from "../bridge/plan.ts";
import { withoutOldestTurns } from "../bridge/request/oldest_turns.ts";
import { planTurn, withMaxOutput } from "../bridge/request/plan_turn.ts";
import { streamErrorOf } from "../bridge/upstream_error.ts";
import { json } from "../http/json.ts";
import { readJson } from "../http/read_json.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import type { AdmissionRequest } from "../sessions/admission.ts";
import type { Lease } from "../sessions/lease.ts";
import { BudgetMessage } from "../sessions/refusal.ts";
import { type Opened, openUpstream, watchClient } from "../upstreams/open_upstream.ts";
import { idleTimeoutMs } from "../upstreams/idle_timeout.ts";
import { refuseOtherApi } from "../upstreams/refuse_other_api.ts";
import type { ResolvedModel } from "../upstreams/model_table.ts";
import { chatEvents } from "../turn/chat_events.ts";
import { Turn } from "../turn/turn.ts";
import { failedResponseError } from "../turn/turn_error.ts";
import { STREAM_HEADERS, turnStream } from "../turn/turn_stream.ts";
import { budgetMessage } from "./budget_message.ts";
import { failedStream } from "./failed_stream.ts";
import { loadHistory } from "./load_history.ts";
import { newResponseId } from "./response_ids.ts";
import type { StoredResponse } from "./response_store.ts";
import { inputItems } from "./stored_input.ts";
import { type Storing, storing } from "./storing.ts";
import { ResponseTranslation, type ResponseTranslationOptions } from "./response_translation.ts";

/** Answers a request for a response, streamed or whole. */
export async function createResponse(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  return await respond(context, services, parseResponsesRequest(await readJson(context)));
}

/** What a response is made with beside its request, when it is not made by `POST /responses`. */
export interface RespondOptions {
  /** The response that `previous_response_id` names, loaded. */
  readonly parent?: StoredResponse;
  /** The headers that choose the session. @default {the request's} */
  readonly headers?: Headers;
  readonly responseId?: string;
}

/** Makes a response. */
export async function respond(
  context: RequestContext,
  services: Services,
  body: ResponsesRequest,
  options: RespondOptions = {},
): Promise<Response> {
  const model = context.snapshot.models.resolve(body.model, 400);
  refuseOtherApi(model);
  const client = clientTraits(context.request.headers);
  const { org } = context.principal;
  const { loop_max_rounds, loop_max_identical } = context.snapshot.config.gateway;
  const history = await loadHistory(body, services.responses, org, options.parent);
  const responseId = options.responseId ?? newResponseId(body.store ?? true);
  const stored = storing(context, services, body, history, responseId);
  const answerTo = (
    asked: ResponsesRequest,
    before: readonly InputItem[] | undefined,
  ): Promise<Answered> => {
    const plan = planTurn(asked, {
      profile: model.upstream.profile,
      upstreamModel: model.upstreamName,
      client,
      stopTool: model.config.stop_tool,
      sealer: services.sealer,
      org,
      maxOutputTokens: model.config.max_output_tokens,
      ...(before === undefined ? {} : { history: before }),
      ...(history === null ? {} : { references: history.references }),
      loopLimits: { maxRounds: loop_max_rounds, maxIdentical: loop_max_identical },
    });
    const request = admissionRequest(asked, plan, model, client, context, options.headers);
    return answer(context, services, plan, request, stored);
  };
  const before = body.previous_response_id ? history?.items : undefined;
  if (body.truncation !== "auto") return settled(await answerTo(body, before));
  return await truncating(body, before, answerTo);
}

/** An answer, or the error to give unless a shorter request is tried. */
type Answered = Response | SynthError;

function settled(answered: Answered): Response {
  if (answered instanceof Response) return answered;
  throw answered;
}

/** Leaves the oldest turns away until the upstream takes the rest, or nothing more can go. */
async function truncating(
  body: ResponsesRequest,
  history: readonly InputItem[] | undefined,
  answerTo: (
    asked: ResponsesRequest,
    history: readonly InputItem[] | undefined,
  ) => Promise<Answered>,
): Promise<Response> {
  let asked = body;
  let before = history;
  let dropped = 0;
  while (true) {
    const answered = await answerTo(asked, before);
    const whole = before === undefined || before.length === 0
      ? asked
      : { ...asked, input: [...before, ...inputItems(asked)] };
    const less = answered instanceof Response ? null : withoutOldestTurns(whole);
    if (less === null) {
      const response = settled(answered);
      if (dropped > 0) response.headers.set("x-synth-truncated", String(dropped));
      return response;
    }
    asked = less.body;
    if (before !== undefined) before = [];
    dropped += less.dropped;
  }
}

async function answer(
  context: RequestContext,
  services: Services,
  plan: TurnPlan,
  request: AdmissionRequest,
  stored: Storing,
): Promise<Answered> {
  const { upstream } = request.model;
  const { gateway } = context.snapshot.config;
  const making = {
    plan,
    clock: context.clock,
    org: context.principal.org,
    sealer: services.sealer,
    stream: request.stream,
    responseId: stored.responseId,
  };
  let opened: Opened;
  try {
    opened = await openUpstream(context, services, request, (lease) => {
      return clamped(plan, upstream.profile, lease).chat;
    });
  } catch (error) {
    // As the answer to a compaction the words would become the history.
    if (error instanceof BudgetMessage && plan.compaction !== true) {
      return await budgetMessage(making, error, (response) => stored.keep(response, null));
    }
    throw error;
  }
  const headers = { ...planHeaders(plan), ...opened.headers };
  if (!opened.ok) return refused(context, making, opened.error, headers);
  const { lease } = opened;
  const events = await chatEvents(opened.reply, services, lease, context, upstream.key);
  if ("error" in events) return refused(context, making, events.error, headers);
  const translation = new ResponseTranslation(making);
  const turn = new Turn({
    context,
    admission: services.admission,
    lease,
    translation,
    source: events.source,
    secret: upstream.key,
    idleTimeoutMs: idleTimeoutMs(gateway, upstream.profile),
    onEnd: async () => {
      const { response } = translation;
      // A whole answer that failed is an HTTP error: nobody learns its id.
      if (response === null || (!request.stream && response.status === "failed")) return;
      await stored.keep(response, opened.headers["x-synth-session-id"] ?? null);
    },
  });
  if (plan.loop) context.fields["loop_guard"] = plan.loop.reason;
  if (!request.stream) return await whole(turn, translation, context, headers);
  context.streaming = true;
  const stream = turnStream(turn, translation, context.clock, gateway.keepalive_s * 1000);
  return new Response(stream, { headers: { ...STREAM_HEADERS, ...headers } });
}

async function whole(
  turn: Turn,
  translation: ResponseTranslation,
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
    ...(context.fields["stored"] === undefined
      ? {}
      : { "x-synth-stored": String(context.fields["stored"]) }),
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
  headers: Headers = context.request.headers,
): AdmissionRequest {
  return {
    requestId: context.id,
    principal: context.principal,
    headers,
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
  if (plan.loop) {
    const { rounds, reason } = plan.loop;
    headers["x-synth-loop-guard"] = `rounds=${rounds};reason=${reason}`;
  }
  if (plan.droppedTools.length > 0) {
    headers["x-bridge-dropped-tools"] = headerList(plan.droppedTools);
  }
  return headers;
}

/** Names that come from the request: only what a header can carry, and not too many of them. */
function headerList(names: readonly string[]): string {
  return names.filter((name) => /^[\x21-\x7e]{1,128}$/.test(name)).slice(0, 32).join(", ");
}
