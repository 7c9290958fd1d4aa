/** One way through a warehouse: the model acts until it is over. @module */
import type { RolloutContext, RolloutRequest, RolloutStepInput } from "@synth/task-app";
import { askModel, type ChatMessage } from "../shared/chat.ts";
import type { ExamplePorts, Inference } from "../shared/inference.ts";
import { assistantMessage, openAiCall, type Trace } from "../shared/trace.ts";
import { type Move, movesIn, opening, requestOf } from "./actions.ts";
import type { Outcome, Warehouse } from "./warehouse.ts";

/** Why an episode ended. */
export type EndReason = "submitted" | "max_actions" | "max_turns" | "max_ops" | "no_actions";

/** What an episode leaves. */
export interface Episode {
  readonly steps: readonly RolloutStepInput[];
  readonly reason: EndReason;
  /** Model calls and actions. */
  readonly ops: number;
}

/** What an episode is made of. */
export interface EpisodeRoom {
  readonly request: RolloutRequest;
  readonly context: RolloutContext;
  readonly ports: ExamplePorts;
  readonly inference: Inference;
  readonly warehouse: Warehouse;
  readonly trace: Trace;
}

/** Answers without any action in a row, after which the model is given up. */
const MAX_IDLE_TURNS = 3;

/**
 * Asks and acts until the box is submitted, or no action, turn or operation is left, or the model does nothing. The context's signal ends it
 * with an error: then nobody waits for the answer.
 */
export async function play(room: EpisodeRoom): Promise<Episode> {
  const { request, context, ports, inference, warehouse, trace } = room;
  const { output_mode: mode, config, structured_config } = request.policy;
  const extra = requestOf(mode, config["tool_choice"], structured_config);
  const messages = opening(warehouse.look(), mode, config["system_hint"]);
  const turns = maxTurns(request, warehouse);
  const steps: RolloutStepInput[] = [];
  let seen = 1;
  let ops = 0;
  let idle = 0;
  // The first is counted even when none is allowed: then the server says so.
  const mayGoOn = (): boolean => ops === 0 || ops < request.safety.max_ops;

  for (;;) {
    const observation = messages.slice(seen).map(({ content }) => String(content)).join("\n");
    context.countOp();
    ops++;
    const { signal } = context;
    const answer = await askModel({ inference, messages, extra, signal, fetch: ports.fetch });
    trace.add(messages, answer);
    messages.push(assistantMessage(answer));
    seen = messages.length;
    const moves = movesIn(answer, mode);
    let reward = 0;
    for (const move of moves) {
      const allowed = warehouse.done || mayGoOn();
      if (allowed && !warehouse.done) {
        context.countOp();
        ops++;
      }
      const outcome = allowed ? act(warehouse, move) : STOPPED;
      reward += outcome.reward;
      messages.push(replyTo(move, outcome.text));
    }
    idle = moves.length === 0 ? idle + 1 : 0;
    if (moves.length === 0) messages.push({ role: "user", content: NUDGE[mode] });
    const reason = endOf(warehouse, steps.length + 1 >= turns, mayGoOn(), idle);
    steps.push({
      obs: { text: observation },
      tool_calls: answer.toolCalls.map(openAiCall),
      reward,
      done: reason !== null,
      truncated: reason !== null && reason !== "submitted",
      info: {
        turn: steps.length,
        actions: warehouse.actions,
        achievements: [...warehouse.achievements],
        finish_reason: answer.finishReason,
      },
      output: answer.text,
      output_mode: mode,
    });
    if (reason !== null) return { steps, reason, ops };
  }
}

const NUDGE = {
  tool_calls: "That did nothing. Act by calling tools.",
  structured: "That did nothing. Answer with one JSON object.",
  text: "That did nothing. Answer with one JSON object.",
} as const;

const STOPPED: Outcome = {
  text: "No operation is left.",
  reward: 0,
  valid: false,
  done: false,
};

function act(warehouse: Warehouse, { intent }: Move): Outcome {
  return "action" in intent ? warehouse.act(intent.action) : warehouse.refuse(intent.refused);
}

function replyTo({ callId }: Move, text: string): ChatMessage {
  return callId === null
    ? { role: "user", content: text }
    : { role: "tool", tool_call_id: callId, content: text };
}

function endOf(
  warehouse: Warehouse,
  lastTurn: boolean,
  opsLeft: boolean,
  idle: number,
): EndReason | null {
  if (warehouse.submitted) return "submitted";
  if (warehouse.done) return "max_actions";
  if (idle >= MAX_IDLE_TURNS) return "no_actions";
  if (!opsLeft) return "max_ops";
  return lastTurn ? "max_turns" : null;
}

/** Model calls: `policy.config.max_llm_calls`, and as many as `ops` names agents when it names any; else enough for one action each. */
function maxTurns({ policy, ops }: RolloutRequest, warehouse: Warehouse): number {
  const asked = policy.config["max_llm_calls"];
  const own = typeof asked === "number" && asked >= 1 ? Math.floor(asked) : warehouse.maxActions;
  const agents = ops.filter((op) => op === "agent").length;
  return Math.min(own, warehouse.maxActions, agents === 0 ? Infinity : agents);
}
