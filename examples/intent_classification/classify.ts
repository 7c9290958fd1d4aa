/** What the model is asked, and what its answer says. @module */
import type { FreeObject, RolloutRequest } from "@synth/task-app";
import { type ChatMessage, jsonIn, type ModelAnswer } from "../shared/chat.ts";

/** What is sent to the model. */
export interface Question {
  readonly messages: readonly ChatMessage[];
  readonly extra: FreeObject;
}

/** What an answer says. */
export interface Reading {
  /** An intent of the list, or `null`. */
  readonly intent: string | null;
  /** Whether it came in the form that was asked for. */
  readonly answered: boolean;
}

const TOOL = "classify";

/** The question for one text, in the form of the request's `output_mode`. */
export function questionOf(
  text: string,
  intents: readonly string[],
  { policy }: RolloutRequest,
): Question {
  const { config, output_mode: mode, structured_config: structured } = policy;
  const how = {
    tool_calls: `Answer with one call of ${TOOL}.`,
    structured: 'Answer with a JSON object that has the member "intent".',
    text: "Answer with the name of the intent and nothing else.",
  }[mode];
  const hint = typeof config["system_hint"] === "string" ? `\n\n${config["system_hint"]}` : "";
  const system =
    `You sort messages to the support of a bike sharing scheme. Each has exactly one of these intents:\n${
      intents.join("\n")
    }\n\n${how}${hint}`;
  const schema = {
    type: "object",
    properties: { intent: { type: "string", enum: [...intents] } },
    required: ["intent"],
    additionalProperties: false,
  };
  return {
    messages: [{ role: "system", content: system }, { role: "user", content: text }],
    extra: mode === "tool_calls"
      ? {
        tools: [{
          type: "function",
          function: { name: TOOL, description: "Names the intent", parameters: schema },
        }],
        tool_choice: config["tool_choice"] ?? { type: "function", function: { name: TOOL } },
      }
      : mode === "structured"
      ? {
        response_format: {
          type: "json_schema",
          json_schema: {
            name: structured?.schema_name ?? "response",
            strict: structured?.strict ?? true,
            schema: structured?.schema ?? schema,
          },
        },
      }
      : {},
  };
}

/** Reads the answer. Whatever a model may send, this gives a reading. */
export function readAnswer(
  answer: ModelAnswer,
  intents: readonly string[],
  mode: RolloutRequest["policy"]["output_mode"],
): Reading {
  if (mode === "text") return readText(answer.text, intents);
  const [call] = answer.toolCalls;
  const answered = mode === "structured"
    ? jsonIn(answer.text)
    : answer.toolCalls.length === 1 && call?.name === TOOL
    ? call.arguments
    : null;
  if (answered === null || !Object.hasOwn(answered, "intent")) return NOTHING;
  const named = answered["intent"];
  return {
    intent: typeof named === "string" ? intents.find((intent) => intent === named) ?? null : null,
    answered: typeof named === "string",
  };
}

const NOTHING: Reading = { intent: null, answered: false };

/** An intent counts when it is the only one in the text: who lists them all has not answered. */
function readText(text: string, intents: readonly string[]): Reading {
  const words = new Set(text.toLowerCase().match(/[a-z_]+/g) ?? []);
  const named = intents.filter((intent) => words.has(intent));
  const [intent] = named;
  if (intent === undefined || named.length > 1) return NOTHING;
  return { intent, answered: true };
}
