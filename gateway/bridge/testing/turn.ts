/** Runs the stream side of the bridge in tests: plans by hand, ids that count, events as objects. @module */
import type { Json } from "@synth/core";
import type { StreamEvent } from "../events.ts";
import type { ToolBinding, ToolKind, TurnPlan } from "../plan.ts";
import type { ResponseObject } from "../response_object.ts";
import {
  type MachineOptions,
  ResponseMachine,
  type TurnEnd,
  type TurnResult,
} from "../stream/machine.ts";
import { CollectingSink, type EventSink } from "../stream/sink.ts";

/** A tool in short: `"f"`, or what differs from a plain function. */
export type ToolSpec =
  | string
  | {
    upstreamName: string;
    kind?: ToolKind;
    name?: string;
    namespace?: string;
    allowed?: boolean;
  };

/** A plan with these tools; everything else as a client without wishes has it. */
export function makePlan(tools: ToolSpec[] = [], changes: Partial<TurnPlan> = {}): TurnPlan {
  return {
    chat: { model: "upstream-model", messages: [], stream: true },
    tools: new Map(tools.map((spec) => {
      const binding = makeBinding(spec);
      return [binding.upstreamName, binding];
    })),
    echo: {
      model: "m",
      instructions: null,
      max_output_tokens: null,
      max_tool_calls: null,
      metadata: {},
      parallel_tool_calls: true,
      previous_response_id: null,
      prompt_cache_key: null,
      reasoning: { effort: null, summary: null },
      safety_identifier: null,
      service_tier: "default",
      store: true,
      temperature: 1,
      text: { format: { type: "text" } },
      tool_choice: "auto",
      tools: [],
      top_logprobs: 0,
      top_p: 1,
      presence_penalty: 0,
      frequency_penalty: 0,
      truncation: "disabled",
      user: null,
    },
    reasoning: { as: "content", seal: false },
    refusalAsText: false,
    parallelToolCalls: true,
    logprobs: false,
    thinkTags: false,
    inputBytes: 40,
    ignored: [],
    droppedTools: [],
    ...changes,
  };
}

function makeBinding(spec: ToolSpec): ToolBinding {
  const given = typeof spec === "string" ? { upstreamName: spec } : spec;
  return {
    upstreamName: given.upstreamName,
    kind: given.kind ?? "function",
    name: given.name ?? given.upstreamName,
    namespace: given.namespace ?? null,
    allowed: given.allowed ?? true,
  };
}

/** A machine with ids `msg_1`, `fc_1` ...; the seal shows what it holds. */
export function makeMachine(
  plan: TurnPlan,
  sink: EventSink,
  seal: MachineOptions["seal"] = (content) => `sealed:${JSON.stringify(content)}`,
): ResponseMachine {
  const counts = new Map<string, number>();
  return new ResponseMachine(plan, {
    responseId: "resp_1",
    createdAt: 1000,
    newId(prefix) {
      const count = (counts.get(prefix) ?? 0) + 1;
      counts.set(prefix, count);
      return `${prefix}${count}`;
    },
    seal,
    sink,
  });
}

/** A turn that has run. */
export interface Turn {
  readonly events: StreamEvent[];
  readonly response: ResponseObject;
  readonly result: TurnResult;
}

/** Feeds all chunks and ends the turn. */
export function runTurn(
  plan: TurnPlan,
  chunks: readonly unknown[],
  end: Partial<TurnEnd> = {},
): Turn {
  const sink = new CollectingSink();
  const machine = makeMachine(plan, sink);
  machine.start();
  for (const chunk of chunks) machine.chunk(chunk);
  const response = machine.finish({ reason: "done", now: 1001, ...end });
  return { events: sink.events, response, result: machine.result };
}

/** A chunk with this delta. */
export function delta(fields: { [key: string]: Json }): Json {
  return { choices: [{ index: 0, delta: fields }] };
}

/** A chunk with these calls. */
export function calls(...tool_calls: Json[]): Json {
  return delta({ tool_calls });
}

/** One entry of `tool_calls` with the usual members. */
export function call(index: number, id: string, name: string, args: string): Json {
  return { index, id, type: "function", function: { name, arguments: args } };
}

/** More arguments for the call of that index. */
export function args(index: number, piece: string): Json {
  return calls({ index, function: { arguments: piece } });
}

/** The chunk that ends a choice. */
export function finish(reason: string): Json {
  return { choices: [{ index: 0, delta: {}, finish_reason: reason }] };
}

/** The chunk with the usage of the reference's vectors. */
export function usage(): Json {
  return {
    choices: [],
    usage: {
      prompt_tokens: 11,
      completion_tokens: 7,
      total_tokens: 18,
      prompt_tokens_details: { cached_tokens: 3 },
      completion_tokens_details: { reasoning_tokens: 2 },
    },
  };
}
