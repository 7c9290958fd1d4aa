/** A used-up budget told as the assistant's words, to a Chat client. @module */
import { newId } from "@synth/core";
import { encodeSseData, SSE_DONE } from "@synth/core/sse";
import { json } from "../http/json.ts";
import type { AdmissionRequest } from "../sessions/admission.ts";
import type { BudgetMessage } from "../sessions/refusal.ts";
import { STREAM_HEADERS } from "../turn/turn_stream.ts";

/** A completion whose one message says what the budget said. Nothing was sent upstream. @param created seconds since the epoch */
export function budgetChat(
  request: Pick<AdmissionRequest, "model" | "stream">,
  refusal: BudgetMessage,
  created: number,
): Response {
  const headers = { "x-synth-refused": refusal.code };
  const common = { id: newId("chatcmpl-"), created, model: request.model.name };
  const usage = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
  if (!request.stream) {
    const message = { role: "assistant", content: refusal.text, refusal: null };
    const choices = [{ index: 0, message, logprobs: null, finish_reason: "stop" }];
    return json({ ...common, object: "chat.completion", choices, usage }, 200, headers);
  }
  const object = "chat.completion.chunk";
  const choice = (delta: unknown, finish_reason: string | null) => ({
    ...common,
    object,
    choices: [{ index: 0, delta, finish_reason }],
  });
  const body = encodeSseData(choice({ role: "assistant", content: refusal.text }, null)) +
    encodeSseData(choice({}, "stop")) + SSE_DONE;
  return new Response(body, { headers: { ...STREAM_HEADERS, ...headers } });
}
