/** Clients of a bad day: they stream, ask for the whole, mix protocols, dawdle and vanish. @module */
import { judgeAnswer } from "../support/judge_answer.ts";
import type { Rec } from "../support/response_shape.ts";
import type { Random } from "./random.ts";

/** What a client saw. */
export interface Seen {
  readonly kind: string;
  readonly requestId: string | null;
  readonly status: number;
  /** The client left before the end. */
  readonly gone: boolean;
  /** Total tokens in the answer; `null` without a whole answer. */
  readonly totalTokens: number | null;
  readonly problems: readonly string[];
}

const TOOLS = [{ type: "function", name: "get_weather", parameters: { type: "object" } }];

/** Sends one request to a gateway and judges the answer. */
export async function chaosRequest(
  url: string,
  key: string,
  session: string,
  random: Random,
  n: number,
): Promise<Seen> {
  const chat = random.chance(0.4);
  const stream = random.chance(0.65);
  const kind = `${chat ? "chat" : "responses"} ${stream ? "streamed" : "whole"}`;
  const said = `Request ${n}: ${"tell me more. ".repeat(random.int(1, 40))}`;
  const cap = random.chance(0.7) ? random.int(16, 400) : undefined;
  const body: Rec = chat
    ? { model: "up-a", stream, messages: [{ role: "user", content: said }], max_tokens: cap }
    : { model: "up-a", stream, input: said, max_output_tokens: cap, store: false };
  if (random.chance(0.3)) {
    body.tools = chat
      ? [{ type: "function", function: { name: "get_weather", parameters: { type: "object" } } }]
      : TOOLS;
  }
  const leave = new AbortController();
  const vanish = random.chance(0.25);
  const chunks = vanish && stream && random.chance(0.6) ? random.int(0, 4) : null;
  const timer = vanish && chunks === null
    ? setTimeout(() => leave.abort(), random.int(0, 40))
    : undefined;
  let status = 0;
  let requestId: string | null = null;
  try {
    const response = await fetch(`${url}${chat ? "/v1/chat/completions" : "/v1/responses"}`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${key}`,
        "content-type": "application/json",
        "x-synth-session-id": session,
      },
      body: JSON.stringify(body),
      signal: leave.signal,
    });
    status = response.status;
    requestId = response.headers.get("x-request-id");
    const text = await read(response, chunks, leave);
    if (text === null) {
      return { kind, requestId, status, gone: true, totalTokens: null, problems: [] };
    }
    return { kind, requestId, status, gone: false, ...judgeAnswer(status, chat, stream, text) };
  } catch (error) {
    if (vanish) return { kind, requestId, status, gone: true, totalTokens: null, problems: [] };
    const problems = [`the answer broke off: ${error}`];
    return { kind, requestId, status, gone: false, totalTokens: null, problems };
  } finally {
    clearTimeout(timer);
  }
}

/** The whole text; `null` when the client left after so many chunks. */
async function read(
  response: Response,
  chunks: number | null,
  leave: AbortController,
): Promise<string | null> {
  if (chunks === null || response.body === null) return await response.text();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (let n = 0; n < chunks; n++) {
    const { value, done } = await reader.read();
    if (done) return text;
    text += value;
  }
  await reader.cancel();
  leave.abort();
  return null;
}
