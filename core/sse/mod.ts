/**
 * Server-sent events at byte level: a parser that may be fed in any pieces, a reader that is fast on Deno, a writer that cannot be injected into.
 *
 * ```ts
 * import { readSse, SseParser } from "@synth/core/sse";
 *
 * const body = new Response('data: {"n":1}\n\ndata: [DONE]\n\n').body!;
 * const seen: string[] = [];
 * await readSse(body, new SseParser({ onEvent: (data) => seen.push(data) }));
 * // seen: ['{"n":1}', "[DONE]"]
 * ```
 *
 * @module
 */
export * from "./parser.ts";
export * from "./reader.ts";
export * from "./writer.ts";
