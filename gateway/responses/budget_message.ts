/** A used-up budget told as the assistant's words: for sessions whose `on_limit` is `message`. @module */
import { json } from "../http/json.ts";
import type { BudgetMessage } from "../sessions/refusal.ts";
import type { ResponseObject } from "../bridge/response_object.ts";
import { STREAM_HEADERS } from "../turn/turn_stream.ts";
import { ResponseTranslation, type ResponseTranslationOptions } from "./response_translation.ts";

/** A completed response whose one message says what the budget said. Nothing was sent upstream. */
export async function budgetMessage(
  options: ResponseTranslationOptions,
  refusal: BudgetMessage,
  keep: (response: ResponseObject) => Promise<void>,
): Promise<Response> {
  const translation = new ResponseTranslation(options);
  translation.start();
  translation.event(JSON.stringify({
    choices: [{ index: 0, delta: { content: refusal.text }, finish_reason: "stop" }],
    usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
  }));
  translation.finish({ reason: "done", now: Math.floor(options.clock.now() / 1000) });
  if (translation.response !== null) await keep(translation.response);
  const headers = { "x-synth-refused": refusal.code };
  return options.stream
    ? new Response(translation.flush(), { headers: { ...STREAM_HEADERS, ...headers } })
    : json(translation.response, 200, headers);
}
