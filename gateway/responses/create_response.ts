/** `POST .../responses`: from the body to the answer. @module */
import type { SynthError } from "@synth/core";
import { parseResponsesRequest, type ResponsesRequest } from "@synth/core/api";
import { clientTraits } from "../bridge/client_traits.ts";
import type { TurnPlan } from "../bridge/plan.ts";
import { withoutOldestTurns } from "../bridge/request/oldest_turns.ts";
import { withMaxOutput } from "../bridge/request/plan_turn.ts";
import type { OwnIds } from "../bridge/reverse/own_ids.ts";
import { ResponseRelay } from "../bridge/reverse/response_relay.ts";
import { capped, type ResponsesBody } from "../bridge/reverse/responses_body.ts";
import { streamErrorOf } from "../bridge/upstream_error.ts";
import { json } from "../http/json.ts";
import { readJson } from "../http/read_json.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import type { AdmissionRequest } from "../sessions/admission.ts";
import type { Lease } from "../sessions/lease.ts";
import { BudgetMessage } from "../sessions/refusal.ts";
import { chatEvents } from "../turn/chat_events.ts";
import { Turn } from "../turn/turn.ts";
import { failedResponseError } from "../turn/turn_error.ts";
import { STREAM_HEADERS, turnStream } from "../turn/turn_stream.ts";
import { type FailedAttempt, firstServing } from "../upstreams/fallback.ts";
import { idleTimeoutMs } from "../upstreams/idle_timeout.ts";
import type { ResolvedModel } from "../upstreams/model_table.ts";
import { openUpstream, watchClient } from "../upstreams/open_upstream.ts";
import { budgetMessage } from "./budget_message.ts";
import { failedStream } from "./failed_stream.ts";
import { withoutHostedTools } from "./hosted_tools.ts";
import { type History, loadHistory } from "./load_history.ts";
import { refusesSeals, SEALS } from "./pass_response.ts";
import { returnedItems } from "./passed_input.ts";
import { admissionRequest, type Asked, planFor, planHeaders, refuseNothing } from "./plan_for.ts";
import { ResponseTranslation, type ResponseTranslationOptions } from "./response_translation.ts";
import { historyFrom, type LocalItems } from "./socket/local_response.ts";
import { type MadeResponse, orRemembered } from "./socket/made_response.ts";
import { inputItems } from "./stored_input.ts";
import { noteUnsealed, ownIds, relayedResponse, sealsReasoning } from "./relayed_response.ts";
import { type Storing, storing } from "./storing.ts";
import { warmUp } from "./warm_up.ts";

/** Answers a request for a response, streamed or whole. */
export async function createResponse(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  return await respond(context, services, parseResponsesRequest(await readJson(context)));
}

/** What a response is made with beside its request, when it is not made by `POST /responses`. */
export interface RespondOptions {
  /** What `previous_response_id` names, loaded. */
  readonly history?: History;
  /** The headers that choose the session. @default {the request's} */
  readonly headers?: Headers;
  readonly responseId?: string;
  /** See {@linkcode Asked.summarise}. */
  readonly summarise?: boolean;
  /** What `previous_response_id` stands for, where that is stored nowhere. */
  readonly local?: LocalItems;
  /** Without it nothing is generated: the response holds its input, for a later one to go on from. @default {true} */
  readonly generate?: boolean;
  /** Is given a response that nobody stores, before its last event goes out, with what was loaded of its chain. */
  readonly onUnstored?: (response: MadeResponse, history: History | null) => void;
}

/** Makes a response. */
export async function respond(
  context: RequestContext,
  services: Services,
  body: ResponsesRequest,
  options: RespondOptions = {},
): Promise<Response> {
  const model = context.snapshot.models.resolve(body.model, 400);
  const { org } = context.principal;
  const returned = model.upstream.api === "responses" ? returnedItems(body) : [];
  const { local, onUnstored } = options;
  const named = local === undefined ? body : { ...body, previous_response_id: null };
  const loaded = options.history ?? await loadHistory(named, services.responses, org, returned);
  const history = local === undefined ? loaded : historyFrom(local, loaded);
  const stored = orRemembered(
    storing(context, services, body, history, options.responseId),
    onUnstored && ((response) => onUnstored(response, history)),
  );
  const answerTo = (asked: Asked): Promise<Answered> => {
    return answerOf(context, services, asked, model, stored, options);
  };
  const asked = { body, history, summarise: options.summarise === true };
  if (body.truncation !== "auto") return settled(await answerTo(asked));
  return await truncating(asked, answerTo);
}

/** An answer, or the error to give unless a shorter request is tried. */
type Answered = Response | SynthError;

function settled(answered: Answered): Response {
  if (answered instanceof Response) return answered;
  throw answered;
}

/** How the answer of one model is made, and where it is kept. */
interface Making {
  readonly options: ResponseTranslationOptions;
  readonly stored: Storing;
  /** The ids of what is passed on. */
  readonly ids: OwnIds;
}

/** The answer of the model, or of the first of its fallbacks that serves. */
async function answerOf(
  context: RequestContext,
  services: Services,
  asked: Asked,
  model: ResolvedModel,
  stored: Storing,
  { headers, generate = true }: RespondOptions,
): Promise<Answered> {
  const client = clientTraits(context.request.headers);
  let first: Making | null = null;
  const attempt = async (
    asked: Asked,
    one: ResolvedModel,
    dropped: readonly string[],
    last: boolean,
  ): Promise<Answered | FailedAttempt<Answered>> => {
    const keepsSeals = stored.wanted && sealsReasoning(services, one);
    const { plan: planned, pass } = planFor({ ...asked, keepsSeals }, one, context, services);
    const plan = dropped.length === 0 ? planned : { ...planned, droppedTools: dropped };
    const making = {
      stored,
      ids: ownIds(asked.body, one, stored),
      options: {
        plan,
        clock: context.clock,
        org: context.principal.org,
        sealer: services.sealer,
        stream: asked.body.stream === true,
        responseId: stored.responseId,
        remember: stored.remembers,
      },
    };
    first ??= making;
    if (!generate) return await warmUp(making.options, (response) => stored.keep(response, null));
    if (pass === null) refuseNothing(plan);
    const request = admissionRequest(asked.body, plan, one, client, context, headers);
    const answered = await answer(context, services, making, request, pass, last);
    const asksInVain = keepsSeals && pass !== null && "failure" in answered &&
      refusesSeals(answered.failure) && !asked.body.include?.includes(SEALS);
    if (!asksInVain) return answered;
    noteUnsealed(services, one);
    return await attempt(asked, one, dropped, last);
  };
  try {
    return await firstServing<Answered>(context, model, async (one, last) => {
      try {
        return await attempt(asked, one, [], last);
      } catch (error) {
        const less = one.upstream.api === "chat"
          ? null
          : withoutHostedTools(asked.body, client, error);
        if (less === null) throw error;
        return await attempt({ ...asked, body: less.asked }, one, less.dropped, last);
      }
    });
  } catch (error) {
    // As the answer to a compaction the words would become the history.
    const told = first as Making | null;
    if (!(error instanceof BudgetMessage) || told === null || told.options.plan.compaction) {
      throw error;
    }
    // Its status is 200: without this the log would take it for a model's answer.
    context.fields["error_code"] = error.code;
    return await budgetMessage(told.options, error, (response) => told.stored.keep(response, null));
  }
}

/** Leaves the oldest turns away until the upstream takes the rest, or nothing more can go. */
async function truncating(
  whole: Asked,
  answerTo: (asked: Asked) => Promise<Answered>,
): Promise<Response> {
  let { body } = whole;
  let before = body.previous_response_id ? whole.history?.items : undefined;
  let dropped = 0;
  while (true) {
    const answered = await answerTo(
      before === undefined ? { ...whole, body } : { ...whole, body, before },
    );
    const all = before === undefined || before.length === 0
      ? body
      : { ...body, input: [...before, ...inputItems(body)] };
    const less = answered instanceof Response ? null : withoutOldestTurns(all);
    if (less === null) {
      const response = settled(answered);
      if (dropped > 0) response.headers.set("x-synth-truncated", String(dropped));
      return response;
    }
    body = less.body;
    if (before !== undefined) before = [];
    dropped += less.dropped;
  }
}

async function answer(
  context: RequestContext,
  services: Services,
  { options: making, stored, ids }: Making,
  request: AdmissionRequest,
  pass: ResponsesBody | null,
  last: boolean,
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
  const idleMs = idleTimeoutMs(gateway, upstream.profile);
  const probeMs = last || !request.stream ? null : idleMs;
  const { key } = upstream;
  const events = await chatEvents(opened.reply, services, lease, context, key, probeMs);
  if ("error" in events) return failed(events.error);
  const translation = pass === null ? new ResponseTranslation(making) : new ResponseRelay({
    echo: plan.echo,
    inputBytes: plan.inputBytes,
    createdAt: Math.floor(context.clock.now() / 1000),
    stream: request.stream,
    ids,
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
    onEnd: async () => {
      const { response, secrets } = translation instanceof ResponseTranslation
        ? translation
        : { response: relayedResponse(translation.response, plan.echo, ids), secrets: ids.secrets };
      // A whole answer that failed is an HTTP error: nobody learns its id.
      if (response === null || (!request.stream && response.status === "failed")) return;
      const session = opened.headers["x-synth-session-id"] ?? null;
      await stored.keep(response, session, secrets, pass === null ? null : plan.echo);
    },
  });
  if (plan.loop) {
    context.fields["loop_guard"] = plan.loop.reason;
    context.fields["loop_rounds"] = plan.loop.rounds;
  }
  if (!request.stream) {
    const made = await whole(turn, translation, context, headers);
    return made instanceof Response ? made : failed(made);
  }
  const stream = turnStream(turn, translation, context.clock, gateway.keepalive_s * 1000);
  return new Response(stream, { headers: { ...STREAM_HEADERS, ...headers } });
}

async function whole(
  turn: Turn,
  translation: ResponseTranslation | ResponseRelay,
  context: RequestContext,
  headers: Record<string, string>,
): Promise<Answered> {
  const stopWatching = watchClient(context);
  while (!turn.over) await turn.step();
  stopWatching();
  const { response, usage } = translation;
  if (response === null) throw new Error("a turn that is over has a response");
  if (response.error !== null) return context.abortReason ?? failedResponseError(response.error);
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
