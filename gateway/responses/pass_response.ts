/** A Responses request on an upstream that speaks the Responses API: passed on, metered, its end made sure. @module */
import type { ResponsesRequest } from "@synth/core/api";
import type { TurnPlan } from "../bridge/plan.ts";
import { responseEcho } from "../bridge/request/echo.ts";
import { meteringView } from "../bridge/reverse/metering.ts";
import { withoutOwnSeals } from "../bridge/reverse/own_seals.ts";
import { noEquivalent, refuseStoredIds } from "../bridge/reverse/refuse.ts";
import type { ResponsesBody } from "../bridge/reverse/responses_body.ts";
import type { Sealed } from "../bridge/seal.ts";
import { chatSize } from "../chat/chat_size.ts";
import type { ResolvedModel } from "../upstreams/model_table.ts";

/** What is sent, and the plan of a turn that translates nothing. */
export interface PassedResponse {
  readonly body: ResponsesBody;
  /** For admission, refusals in the client's words, and what the client asked for. */
  readonly plan: TurnPlan;
}

/**
 * The client's body under the upstream's name for the model. Nothing is kept there, and nothing that is kept there can be named: its account
 * is that of all orgs.
 *
 * @param open gives what a seal of ours holds, or `null`
 * @throws {SynthError} 400 `unsupported_parameter`
 */
export function passResponse(
  asked: ResponsesRequest,
  model: ResolvedModel,
  open: (seal: string) => Sealed | null,
): PassedResponse {
  // What goes on after its answer cannot be settled by it.
  if (asked.background === true) throw noEquivalent("background", "'background'");
  refuseStoredIds(asked);
  const body = {
    ...asked,
    model: model.upstreamName,
    stream: asked.stream === true,
    store: false,
  } as unknown as ResponsesBody;
  if (Array.isArray(body.input)) body.input = withoutOwnSeals(body.input, open);
  const chat = meteringView(body);
  const { bytes, media } = chatSize([chat.messages, chat.tools, chat.response_format]);
  return {
    body,
    plan: {
      chat,
      tools: new Map(),
      echo: { ...responseEcho(asked), store: false },
      reasoning: { as: "content", seal: false },
      refusalAsText: false,
      parallelToolCalls: true,
      logprobs: false,
      thinkTags: false,
      inputBytes: bytes,
      ...(media === undefined ? {} : { media }),
      ignored: asked.store === true ? ["store"] : [],
      droppedTools: [],
    },
  };
}
