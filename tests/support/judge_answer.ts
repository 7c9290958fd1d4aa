/** Judges the answer of a gateway from outside: Responses or Chat, streamed or whole, or an error. @module */
import { isRecord, type Rec } from "./response_shape.ts";
import { checkEvents, checkResponse, finalResponse, parseSseText } from "./response_invariants.ts";

/** What a gateway may answer when the model, the store or the budget fails. */
const STATUSES = new Set([200, 400, 402, 429, 502, 503, 504]);

/** What came of it. */
export interface Judged {
  /** Total tokens in a whole answer; `null` without one. */
  readonly totalTokens: number | null;
  /** What is wrong; empty for a valid answer. */
  readonly problems: readonly string[];
}

/** Judges a whole answer that has been read to its end. */
export function judgeAnswer(
  status: number,
  chat: boolean,
  stream: boolean,
  text: string,
): Judged {
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
