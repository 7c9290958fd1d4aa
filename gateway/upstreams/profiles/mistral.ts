import type { UpstreamProfile } from "../../bridge/profile.ts";
import { GENERIC } from "./generic.ts";

/** Mistral. */
export const MISTRAL: UpstreamProfile = {
  ...GENERIC,
  name: "mistral",
  outputCap: { honoured: true, includesReasoning: true },
  // Unknown fields are refused with 422, and usage comes with the finish reason without being asked for.
  streamOptions: false,
  usage: "finish",
  // Thinking is a part of the content, which a request cannot bring back through this API's text messages.
  reasoningField: "none",
  effortField: "none",
  // Nine letters or digits, nothing else.
  callId: "mistral9",
  // An assistant message without content is refused by its templates.
  assistantNullContent: "empty",
  carries: ["sampling", "penalties"],
};
