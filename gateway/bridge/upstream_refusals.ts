/**
 * Codes of errors with which an upstream refuses a request inside a stream: outside of one they are a 4xx. It has done nothing then, and
 * nobody needs to look.
 */
export const UPSTREAM_REFUSALS: ReadonlySet<unknown> = new Set([
  "rate_limit_exceeded",
  "insufficient_quota",
  "context_length_exceeded",
  "invalid_prompt",
]);
