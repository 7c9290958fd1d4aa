/** The framing of a Responses stream, read strictly. @module */
import { isRecord, type Rec } from "./response_shape.ts";

/**
 * Reads a Responses stream as strictly as the strictest client.
 *
 * @throws {Error} when the framing is not `event: T`, `data: {"type":"T",...}`, blank line, with `data: [DONE]` at the end and nothing behind
 */
export function parseSseText(text: string): Rec[] {
  if (text.includes("\r")) throw new Error("SSE: a carriage return in the stream");
  if (!text.endsWith("\n\n")) throw new Error("SSE: the stream does not end with a blank line");
  const blocks = text.slice(0, -2).split("\n\n");
  if (blocks.pop() !== "data: [DONE]") throw new Error("SSE: the last block is not [DONE]");
  const events: Rec[] = [];
  for (const block of blocks) {
    const lines = block.split("\n");
    const data = lines[1]?.startsWith("data: ") ? lines[1].slice(6) : undefined;
    if (lines.length !== 2 || !lines[0]?.startsWith("event: ") || data === undefined) {
      throw new Error(`SSE: a block that is not one event line and one data line: ${block}`);
    }
    const event: unknown = JSON.parse(data);
    if (!isRecord(event) || event.type !== lines[0].slice(7)) {
      throw new Error(`SSE: the event line differs from the type: ${block}`);
    }
    events.push(event);
  }
  return events;
}

/** The response object of the terminal event. @throws {Error} when there is none */
export function finalResponse(events: unknown[]): Rec {
  const last = events.at(-1);
  if (!isRecord(last) || !isRecord(last.response) || !isTerminal(last.type)) {
    throw new Error("the stream has no terminal event");
  }
  return last.response;
}

function isTerminal(type: unknown): boolean {
  return type === "response.completed" || type === "response.incomplete" ||
    type === "response.failed";
}
