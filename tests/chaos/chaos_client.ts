/** Clients of a bad day: they stream, ask for the whole, mix protocols, dawdle and vanish. @module */
import { isRecord, type Rec } from "../support/response_shape.ts";
import {
  checkEvents,
  checkResponse,
  finalResponse,
  parseSseText,
} from "../support/response_invariants.ts";
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
/** What a gateway may answer when the model, the store or the budget fails. */
const STATUSES = new Set([200, 400, 402, 429, 502, 503, 504]);

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
    return { kind, requestId, status, gone: false, ...judge(status, chat, stream, text) };
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

interface Judged {
  readonly totalTokens: number | null;
  readonly problems: readonly string[];
}

function judge(status: number, chat: boolean, stream: boolean, text: string): Judged {
  if (!STATUSES.has(status)) return bad(`status ${status}: ${text.slice(0, 300)}`);
  try {
    if (status !== 200) return judgeError(JSON.parse(text));
    if (chat) return stream ? judgeChatStream(text) : judgeChat(JSON.parse(text));
    if (!stream) return judgeResponse(JSON.parse(text));
    const events = parseSseText(text);
    const problems = checkEvents(events);
    return { ...judgeResponse(finalResponse(events)), problems };
  } catch (error) {
    return bad(`${error}: ${text.slice(0, 300)}`);
  }
}

function judgeError(body: unknown): Judged {
  const error = isRecord(body) && isRecord(body.error) ? body.error : {};
  if (typeof error.code === "string" && typeof error.message === "string") {
    return error.code === "internal_error" ? bad("internal_error") : fine(null);
  }
  return bad(`not an error: ${JSON.stringify(body).slice(0, 300)}`);
}

function judgeResponse(response: unknown): Judged {
  const problems = checkResponse(response);
  const { usage, status } = isRecord(response) ? response : {} as Rec;
  const whole = status === "completed" && isRecord(usage);
  return { totalTokens: whole ? Number(usage.total_tokens) : null, problems };
}

function judgeChat(body: unknown): Judged {
  if (!isRecord(body) || !Array.isArray(body.choices)) return bad("no choices");
  return fine(isRecord(body.usage) ? Number(body.usage.total_tokens) : null);
}

/** Ends in `[DONE]`, or in an error and nothing else. */
function judgeChatStream(text: string): Judged {
  if (!text.endsWith("\n\n")) return bad(`no blank line at the end: ${text.slice(-200)}`);
  const blocks = text.slice(0, -2).split("\n\n").filter((block) => !block.startsWith(":"));
  let failed = false;
  blocks.forEach((block, n) => {
    const data = block.startsWith("data: ") ? block.slice(6) : null;
    if (data === null || data.includes("\n")) throw new Error(`a strange block: ${block}`);
    if (data === "[DONE]") {
      if (n !== blocks.length - 1) throw new Error("[DONE] before the end");
      return;
    }
    const chunk: unknown = JSON.parse(data);
    if (isRecord(chunk) && chunk.error !== undefined) failed = true;
  });
  const done = blocks.at(-1) === "data: [DONE]";
  return done || failed ? fine(null) : bad(`neither [DONE] nor an error: ${text.slice(-300)}`);
}

function fine(totalTokens: number | null): Judged {
  return { totalTokens, problems: [] };
}

function bad(problem: string): Judged {
  return { totalTokens: null, problems: [problem] };
}
