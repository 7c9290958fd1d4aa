/** The trace of a rollout: what the model was asked and what it answered. @module */
import type { FreeObject, RolloutContext, RolloutRequest } from "@synth/task-app";
import type { ChatMessage, ModelAnswer, ToolCall } from "./chat.ts";
import type { Inference } from "./inference.ts";

/** The calls of one rollout, in their order. */
export class Trace {
  readonly #context: RolloutContext;
  readonly #inference: Inference;
  readonly #format: string;
  readonly #events: FreeObject[] = [];
  #history: readonly ChatMessage[] = [];

  constructor(request: RolloutRequest, context: RolloutContext, inference: Inference) {
    this.#context = context;
    this.#inference = inference;
    this.#format = request.record.trace_format;
  }

  /** Tokens of all calls together. */
  get tokens(): number {
    return this.#events.reduce((sum, event) => sum + Number(event["tokens"]), 0);
  }

  /**
   * Adds a call. In the format `compact` it has only the messages that the call before it had not, from `first_message` on: whole
   * conversations would grow with the square of their length.
   */
  add(messages: readonly ChatMessage[], answer: ModelAnswer): void {
    const first = this.#format === "compact"
      ? Math.min(this.#history.length, messages.length - 1)
      : 0;
    const message = assistantMessage(answer);
    const { url, model, settings } = this.#inference;
    this.#events.push({
      type: "lm_call",
      event_type: "lm_call",
      timestamp: new Date(this.#context.clock.now()).toISOString(),
      api_format: "chat",
      correlation_id: this.#context.traceCorrelationId,
      inference_url: url,
      llm_request: { model, ...settings, first_message: first, messages: messages.slice(first) },
      llm_response: { message, usage: answer.usage, finish_reason: answer.finishReason },
      tokens: tokensOf(answer),
    });
    this.#history = [...messages, message];
  }

  /** The trace as it goes out; `session_trace` has the same under the names of a stored session when the format is `structured`. */
  toJSON(metadata: FreeObject): FreeObject {
    const sessionId = this.#context.requestId;
    const about = { session_id: sessionId, model: this.#inference.model, ...metadata };
    const events = { event_history: this.#events, markov_blanket_message_history: this.#history };
    const base = { schema_version: "4.0", session_id: sessionId, ...events, metadata: about };
    if (this.#format !== "structured") return base;
    return { ...base, session_trace: { session_id: sessionId, ...events, metadata: about } };
  }
}

/** Whether the answer carries trajectories: not when the request does without, unless the RL rules want them. */
export function wantsTrajectories({ record, mode, strict }: RolloutRequest): boolean {
  return record.trajectories || mode === "rl" || strict === true;
}

/** What the model answered, as a message that any endpoint takes back. */
export function assistantMessage(answer: ModelAnswer): ChatMessage {
  const calls = answer.toolCalls.map(openAiCall);
  return {
    role: "assistant",
    // An empty message is refused by some.
    content: answer.text === "" && calls.length > 0 ? null : answer.text || "(nothing)",
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}

/** A call as Chat Completions has it. */
export function openAiCall(call: ToolCall): FreeObject {
  return {
    id: call.id,
    type: "function",
    function: { name: call.name, arguments: JSON.stringify(call.arguments ?? {}) },
  };
}

function tokensOf({ usage }: ModelAnswer): number {
  const count = (name: string): number => {
    const value = Object.hasOwn(usage, name) ? usage[name] : undefined;
    return typeof value === "number" && Number.isFinite(value) && value > 0 ? value : 0;
  };
  return count("total_tokens") || count("prompt_tokens") + count("completion_tokens");
}
