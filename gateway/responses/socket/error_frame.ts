/** Errors as frames of the protocol. @module */
import { asFields, type Fields } from "../../bridge/chat_chunk.ts";

/** Headers of an HTTP answer that a client acts upon, or quotes to us. */
const TOLD = /^(?:retry-after(?:-ms)?|x-(?!content-type-options$)[a-z0-9-]+)$/;

/** The frame that says what an HTTP answer would have said. Codex reads its status and headers as those of one. */
export function errorFrame(status: number, body: unknown, headers: Headers): string {
  const error: Fields = asFields(asFields(body)?.error) ?? {
    message: "The gateway failed",
    type: "server_error",
    code: "internal_error",
    param: null,
  };
  const told: Record<string, string> = {};
  for (const [name, value] of headers) if (TOLD.test(name)) told[name] = value;
  return JSON.stringify({ type: "error", status, error, headers: told });
}
