/** The plan of a request on one model: translated for a Chat upstream, or passed on. @module */
import { SynthError } from "@synth/core";
import type { InputItem, ResponsesRequest } from "@synth/core/api";
import { type ClientTraits, clientTraits } from "../bridge/client_traits.ts";
import type { TurnPlan } from "../bridge/plan.ts";
import { planTurn } from "../bridge/request/plan_turn.ts";
import type { ResponsesBody } from "../bridge/reverse/responses_body.ts";
import type { Sealed } from "../bridge/seal.ts";
import { headerList } from "../http/header_list.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import type { AdmissionRequest } from "../sessions/admission.ts";
import type { ResolvedModel } from "../upstreams/model_table.ts";
import type { History } from "./load_history.ts";
import { passResponse } from "./pass_response.ts";

/** A request and what it goes on from. */
export interface Asked {
  readonly body: ResponsesRequest;
  /** What was stored of it, or `null`. */
  readonly history: History | null;
  /** The answer of an upstream of the Responses API is to be stored here, its sealed reasoning too. */
  readonly keepsSeals?: boolean;
  /** `POST .../compact`, for an upstream that is passed to. */
  readonly summarise?: boolean;
  /** The items before the input, where they are others than those of the history: the oldest turns were left away. */
  readonly before?: readonly InputItem[];
}

/** What to do with a request on one model. */
export interface PlanOfModel {
  readonly plan: TurnPlan;
  /** What is passed on to an upstream that speaks the Responses API; `null` for a Chat upstream. */
  readonly pass: ResponsesBody | null;
}

/**
 * Plans a request for one model.
 *
 * @throws {SynthError} 400, naming the field that this model's upstream cannot be given
 */
export function planFor(
  { body, history, before, keepsSeals = false, summarise = false }: Asked,
  model: ResolvedModel,
  context: RequestContext,
  services: Services,
): PlanOfModel {
  const items = before ?? (body.previous_response_id ? history?.items : undefined);
  if (model.upstream.api === "responses") {
    const { plan, body: pass } = passResponse(body, {
      model,
      history,
      before: items ?? [],
      open: (seal) => opened(seal, body, context, services),
      seals: keepsSeals,
      stores: services.responses !== null,
      summarise,
    });
    return { plan, pass };
  }
  const { gateway } = context.snapshot.config;
  const plan = planTurn(body, {
    profile: model.upstream.profile,
    upstreamModel: model.upstreamName,
    client: clientTraits(context.request.headers),
    stopTool: model.config.stop_tool,
    sealer: services.sealer,
    org: context.principal.org,
    maxOutputTokens: model.config.max_output_tokens,
    ...(items === undefined ? {} : { history: items }),
    ...(history === null ? {} : { references: history.references, secrets: history.secrets }),
    loopLimits: {
      maxRounds: model.config.loop_max_rounds ?? gateway.loop_max_rounds,
      maxIdentical: model.config.loop_max_identical ?? gateway.loop_max_identical,
    },
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

/**
 * Refuses a translated request of which no message is left: Chat Completions takes none without.
 *
 * @throws {SynthError} 400 `invalid_value`
 */
export function refuseNothing({ chat, ignored }: TurnPlan): void {
  if (chat.messages.length > 0) return;
  const items = ignored.filter((what) => what.startsWith("input:"));
  throw new SynthError("input has no item that this model can be given", {
    code: "invalid_value",
    status: 400,
    param: "input",
    hint: items.length === 0
      ? "Give a message, or a call with its output"
      : `Not carried: ${items.map((what) => what.slice("input:".length)).join(", ")}`,
  });
}

/** What admission is asked for a planned request. */
export function admissionRequest(
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

/** What a plan tells in headers of the answer. */
export function planHeaders(plan: TurnPlan): Record<string, string> {
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
