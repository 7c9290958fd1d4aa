/** A Responses request on an upstream that speaks the Responses API: passed on, metered, its end made sure. @module */
import type { SynthError } from "@synth/core";
import type { InputItem, ResponsesRequest } from "@synth/core/api";
import { COMPACTION_PROMPT } from "../bridge/items/compaction.ts";
import type { TurnPlan } from "../bridge/plan.ts";
import { responseEcho } from "../bridge/request/echo.ts";
import { meteringView } from "../bridge/reverse/metering.ts";
import { withoutOwnSeals } from "../bridge/reverse/own_seals.ts";
import { noEquivalent, refuseStoredIds } from "../bridge/reverse/refuse.ts";
import type { ResponsesBody } from "../bridge/reverse/responses_body.ts";
import type { Sealed } from "../bridge/seal.ts";
import { chatSize } from "../chat/chat_size.ts";
import type { ResolvedModel } from "../upstreams/model_table.ts";
import { type History, notFound } from "./load_history.ts";
import { passedInput } from "./passed_input.ts";

/** What is sent, and the plan of a turn that translates nothing. */
export interface PassedResponse {
  readonly body: ResponsesBody;
  /** For admission, refusals in the client's words, and what the client asked for. */
  readonly plan: TurnPlan;
}

/** How a request is passed on. */
export interface PassOptions {
  readonly model: ResolvedModel;
  /** What was stored of it. */
  readonly history: History | null;
  /** The items before the input. */
  readonly before: readonly InputItem[];
  /** Gives what a seal of ours holds, or `null`. */
  readonly open: (seal: string) => Sealed | null;
  /** Whether the upstream is to seal its reasoning, so that it can be stored here. */
  readonly seals: boolean;
  /** Whether responses are stored here. */
  readonly stores: boolean;
  /** The answer is to be a summary that we seal ourselves: the upstream need not know how to compact. */
  readonly summarise: boolean;
}

/**
 * The client's body under the upstream's name for the model, with what was stored before it. Nothing is kept there, and nothing that is kept
 * there can be named: its account is that of all orgs.
 *
 * @throws {SynthError} 400 `unsupported_parameter`, `previous_response_not_found`, `item_not_found`
 */
export function passResponse(asked: ResponsesRequest, options: PassOptions): PassedResponse {
  const { model, history, before, open, seals, stores, summarise } = options;
  // What goes on after its answer cannot be settled by it.
  if (asked.background === true) throw noEquivalent("background", "'background'");
  refuseStoredIds(asked);
  const previous = asked.previous_response_id ?? null;
  if (previous !== null && history === null) throw notFound(previous, null, "absent");
  const { previous_response_id: _, ...rest } = asked;
  const body = {
    ...rest,
    model: model.upstreamName,
    stream: asked.stream === true,
    store: false,
    input: passedInput(asked, model, history, before),
    ...(seals ? { include: [...new Set([...asked.include ?? [], SEALS])] } : {}),
  } as unknown as ResponsesBody;
  if (Array.isArray(body.input)) body.input = withoutOwnSeals(body.input, open);
  if (summarise) askForSummary(body);
  const chat = meteringView(body);
  const { bytes, media } = chatSize([chat.messages, chat.tools, chat.response_format]);
  return {
    body,
    plan: {
      chat,
      tools: new Map(),
      echo: { ...responseEcho(asked), store: stores && asked.store !== false },
      reasoning: { as: "content", seal: false },
      refusalAsText: false,
      parallelToolCalls: true,
      logprobs: false,
      thinkTags: false,
      inputBytes: bytes,
      ...(media === undefined ? {} : { media }),
      compaction: summarise,
      ignored: asked.store === true && !stores ? ["store"] : [],
      droppedTools: [],
    },
  };
}

/** What makes an upstream seal its reasoning. */
export const SEALS = "reasoning.encrypted_content";

/** Whether an upstream refuses a model for not sealing its reasoning: it has none. */
export function refusesSeals({ status, message }: SynthError): boolean {
  return status === 400 && /encrypted[ _]content/i.test(message);
}

/** In the place of the trigger, which not every upstream knows, what it asks for in words. */
function askForSummary(body: ResponsesBody): void {
  const items = Array.isArray(body.input) ? body.input : [];
  const asking = { type: "message", role: "user", content: COMPACTION_PROMPT };
  body.input = [...items.filter(({ type }) => type !== "compaction_trigger"), asking];
}
