import { errorOfChunk } from "../bridge/chat_chunk.ts";

/**
 * The data of an event of the type `error` as a chunk that says so. Some servers name the event and give nothing but a
 * text, or an object with a message that only the event's name tells from an answer.
 */
export function errorData(data: string): string {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return JSON.stringify({ error: { message: data } });
  }
  if (errorOfChunk(value) !== null) return data;
  const error = typeof value === "object" && value !== null && !Array.isArray(value)
    ? value
    : { message: String(value) };
  return JSON.stringify({ error });
}
