/** A Responses request as the Chat request that asks for the same, and the plan for reading the answer. @module */
import { SynthError } from "@synth/core";
import type {
  AdditionalToolsItem,
  InputItem,
  ResponsesRequest,
  ToolSearchOutputItem,
} from "@synth/core/api";
import type { ChatRequest } from "../chat.ts";
import type { ClientTraits } from "../client_traits.ts";
import { chatMessages } from "../items/history.ts";
import type { ItemSecrets } from "../items/item_secret.ts";
import { resolveReferences } from "../items/references.ts";
import type { ToolBinding, TurnPlan } from "../plan.ts";
import type { UpstreamProfile } from "../profile.ts";
import type { Sealer } from "../seal.ts";
import { STOP_TOOL, STOP_TOOL_NAME, type StopToolMode } from "../tools/stop_tool.ts";
import { headerToken, ToolBook, type ToolLimits } from "../tools/tool_book.ts";
import { chooseTools, type ChosenTools, required } from "../tools/tool_choice.ts";
import { responseEcho, summaryOf } from "./echo.ts";
import { carryEffort, carryFields, carryLogprobs, refuseUnsupported } from "./fields.ts";
import { findLoop, LOOP_NOTE, type LoopLimits } from "./loop_guard.ts";
import { inputSize } from "./input_bytes.ts";
import { responseFormat } from "./response_format.ts";

/** Names of ignored things and of dropped tools that are told: they go into headers, and a client may invent any number. */
const MAX_DECLARED = 32;

/** What a turn is planned with, beside the request. */
export interface PlanOptions {
  readonly profile: UpstreamProfile;
  /** The upstream's name of the model. */
  readonly upstreamModel: string;
  readonly client: ClientTraits;
  readonly stopTool: StopToolMode;
  readonly sealer: Sealer | null;
  readonly org: string;
  /** The model's ceiling of output tokens. */
  readonly maxOutputTokens?: number | null;
  /** Items of the responses before this one, expanded; they come before `input`. Absent: none were found. */
  readonly history?: readonly InputItem[];
  /** Stored items that an `item_reference` may name, by id, beside those of the history and the input. */
  readonly references?: ReadonlyMap<string, InputItem>;
  /** What was stored of all these items beside what the client was shown. */
  readonly secrets?: ItemSecrets;
  readonly toolLimits?: Partial<ToolLimits>;
  /** @default {no guard} */
  readonly loopLimits?: LoopLimits;
}

/**
 * Plans one turn. Pure and linear in the input; the body and the history are read, never changed.
 *
 * @throws {SynthError} 400, naming the field that cannot be carried
 */
export function planTurn(body: ResponsesRequest, options: PlanOptions): TurnPlan {
  refuseUnsupported(body);
  refuseLostHistory(body, options);
  const { profile, sealer } = options;
  const ignored = new Set<string>();
  const ignore = (what: string): void => {
    if (ignored.size < MAX_DECLARED) ignored.add(headerToken(what));
  };

  const items = allItems(body, options);
  const compaction = isCompaction(body, items);
  if (compaction && sealer === null) throw noSealer();
  const book = collectTools(body, items, options);
  const loop = compaction || options.loopLimits === undefined || book.entries.size === 0
    ? null
    : findLoop(items, options.loopLimits);
  const withdrawn = compaction || loop !== null;
  const chosen = chooseTools(withdrawn ? "none" : body.tool_choice, book, profile);
  const format = responseFormat(body, profile);
  const offersTools = !withdrawn && chosen.offered.length > 0;
  const stop = offersTools && wantsStopTool(options.stopTool, chosen, book, format.isJson);
  const choice = stop && options.stopTool === "force" ? required(profile) : chosen;

  const chat: ChatRequest = { model: options.upstreamModel, messages: [], stream: true };
  if (profile.streamOptions) chat.stream_options = { include_usage: true };
  if (offersTools) {
    chat.tools = chosen.offered.map((entry) => entry.chat);
    if (stop) chat.tools.push(STOP_TOOL);
    if (choice.choice !== undefined) chat.tool_choice = choice.choice;
    if (typeof body.parallel_tool_calls === "boolean") {
      if (profile.parallelToolCalls === "send") {
        chat.parallel_tool_calls = body.parallel_tool_calls;
      } else {
        ignore("parallel_tool_calls");
      }
    }
  }
  if (format.responseFormat !== undefined && !compaction) {
    chat.response_format = format.responseFormat;
  }
  carryFields(body, chat, profile, ignore);
  carryEffort(body, chat, profile, ignore);
  const logprobs = carryLogprobs(body, chat, profile, ignore);
  const historyLength = options.history?.length ?? 0;
  chat.messages = chatMessages(items, {
    profile,
    sealer,
    scope: { org: options.org, model: options.upstreamModel },
    secrets: options.secrets,
    instructions: body.instructions ?? null,
    hints: [
      compaction ? null : format.hint,
      offersTools ? choice.hint : null,
      loop === null ? null : LOOP_NOTE,
    ].filter((hint) => hint !== null),
    reasoningContext: body.reasoning?.context === "current_turn" ? "current_turn" : "all_turns",
    path: (index) => itemPath(index, historyLength, body),
    ignore,
  });
  const size = inputSize(chat);
  const plan: TurnPlan = {
    chat,
    tools: bindings(book, chosen, stop),
    echo: responseEcho(body),
    reasoning: {
      as: summaryOf(body) === null ? "content" : "summary",
      seal: sealer !== null &&
        (body.store === false || (body.include ?? []).includes("reasoning.encrypted_content")),
    },
    refusalAsText: options.client.refusalAsText,
    parallelToolCalls: body.parallel_tool_calls ?? true,
    logprobs,
    thinkTags: profile.thinkTags === "parse",
    inputBytes: size.bytes,
    media: { images: size.images, files: size.files, audio: size.audio },
    compaction,
    loop,
    ignored: [...ignored],
    droppedTools: book.dropped.slice(0, MAX_DECLARED),
  };
  const asked = body.max_output_tokens ?? null;
  if (asked === null) return plan;
  return withMaxOutput(plan, profile, Math.min(asked, options.maxOutputTokens ?? asked));
}

/** The same plan with the output capped at `maxTokens`, or at what it was capped at before if that is less. */
export function withMaxOutput(
  plan: TurnPlan,
  profile: UpstreamProfile,
  maxTokens: number,
): TurnPlan {
  const field = profile.maxTokensField;
  const cap = Math.min(plan.chat[field] ?? maxTokens, maxTokens);
  return { ...plan, chat: { ...plan.chat, [field]: cap } };
}

/** To go on without the history that was asked for would look like an answer and be none. */
function refuseLostHistory(body: ResponsesRequest, options: PlanOptions): void {
  const id = body.previous_response_id ?? null;
  if (id === null || options.history !== undefined) return;
  throw new SynthError(`Previous response with id '${id.slice(0, 64)}' not found.`, {
    code: "previous_response_not_found",
    status: 400,
    param: "previous_response_id",
  });
}

function allItems(body: ResponsesRequest, options: PlanOptions): readonly InputItem[] {
  const input: readonly InputItem[] = typeof body.input === "string"
    ? body.input === "" ? [] : [{ role: "user", content: body.input }]
    : body.input ?? [];
  const history = options.history ?? [];
  const items = history.length === 0 ? input : [...history, ...input];
  return resolveReferences(items, options.references);
}

/** Whether this turn is to summarise. The trigger must be the last item of the input; those of earlier turns are done with. */
function isCompaction(body: ResponsesRequest, items: readonly InputItem[]): boolean {
  if (typeof body.input === "string" || body.input === null || body.input === undefined) {
    return false;
  }
  const at = body.input.findIndex((item) => item.type === "compaction_trigger");
  if (at >= 0 && at !== body.input.length - 1) {
    throw new SynthError("A compaction_trigger must be the last input item", {
      code: "invalid_value",
      status: 400,
      param: `input[${at}]`,
    });
  }
  return items.at(-1)?.type === "compaction_trigger";
}

/** The error for a compaction where there are no keys. */
export function noSealer(): SynthError {
  return new SynthError("This gateway has no keys to seal a summary with", {
    code: "compaction_unavailable",
    status: 400,
    param: "input",
    hint: "The operator sets SYNTH_SEAL_KEYS",
  });
}

function collectTools(
  body: ResponsesRequest,
  items: readonly InputItem[],
  options: PlanOptions,
): ToolBook {
  const book = new ToolBook(options.profile, options.toolLimits);
  book.add(body.tools ?? [], "tools");
  const historyLength = options.history?.length ?? 0;
  for (let index = 0; index < items.length; index++) {
    const item = items[index]!;
    if (item.type !== "additional_tools" && item.type !== "tool_search_output") continue;
    const { tools } = item as AdditionalToolsItem | ToolSearchOutputItem;
    const path = `${itemPath(index, historyLength, body)}.tools`;
    const origin = index < historyLength ? "history" : "input";
    book.add(tools, path, item.type === "tool_search_output", origin);
  }
  return book;
}

function wantsStopTool(
  mode: StopToolMode,
  chosen: ChosenTools,
  book: ToolBook,
  isJson: boolean,
): boolean {
  return mode !== "off" && !isJson && (chosen.mode === "auto" || chosen.mode === "required") &&
    !book.entries.has(STOP_TOOL_NAME);
}

function bindings(
  book: ToolBook,
  chosen: ChosenTools,
  stop: boolean,
): ReadonlyMap<string, ToolBinding> {
  const result = new Map<string, ToolBinding>();
  for (const [upstreamName, { kind, name, namespace }] of book.entries) {
    const allowed = chosen.allowed?.has(upstreamName) ?? true;
    result.set(upstreamName, { upstreamName, kind, name, namespace, allowed });
  }
  if (stop) {
    result.set(STOP_TOOL_NAME, {
      upstreamName: STOP_TOOL_NAME,
      kind: "stop",
      name: STOP_TOOL_NAME,
      namespace: null,
      allowed: true,
    });
  }
  return result;
}

function itemPath(index: number, historyLength: number, body: ResponsesRequest): string {
  if (index < historyLength) return "previous_response_id";
  return typeof body.input === "string" ? "input" : `input[${index - historyLength}]`;
}
