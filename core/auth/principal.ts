import { SynthError } from "../errors.ts";

/** What a key may do. `queue:command` may make a worker run commands. No scope includes another. */
export type Scope = "infer" | "sessions" | "queue" | "queue:command" | "admin";

/** All scopes. */
export const SCOPES: readonly Scope[] = ["infer", "sessions", "queue", "queue:command", "admin"];

/** A limit that a key carries, in a form that JSON can. The ledger enforces it. */
export interface KeyLimit {
  /** Unique within the key, 1 to 64 of `[0-9A-Za-z_-]`. */
  readonly id: string;
  /** `cost` in nano-USD, `gpu_time` in milliseconds, the others in ones. */
  readonly metric: "tokens" | "cost" | "gpu_time" | "api_calls";
  /** `hard` refuses, `soft` warns. */
  readonly kind: "hard" | "soft";
  /** An integer in the metric's unit, as decimal digits. */
  readonly value: string;
  /** Length of the rolling window in milliseconds; `null` counts from the key's beginning. */
  readonly windowMs: number | null;
}

/** Who asks, and what they may. */
export interface Principal {
  readonly org: string;
  readonly user: string;
  /** Names the key without giving it away; stays when the key is rotated. */
  readonly keyId: string;
  readonly scopes: ReadonlySet<Scope>;
  /** Milliseconds since the epoch; `null` never. */
  readonly expiresAt: number | null;
  readonly limits?: readonly KeyLimit[];
  /** Requests that the key may send in a minute. @default {null: the gateway's default} */
  readonly requestsPerMinute?: number | null;
  /** Streams that the key may have open at the same time. @default {null: the gateway's default} */
  readonly maxStreams?: number | null;
}

/** Whether a text names a scope. */
export function isScope(text: string): text is Scope {
  return (SCOPES as readonly string[]).includes(text);
}

/**
 * Passes when the principal has the scope.
 *
 * @throws {SynthError} 403 `insufficient_scope`
 */
export function requireScope(principal: Principal, scope: Scope): void {
  if (principal.scopes.has(scope)) return;
  throw new SynthError(`This API key lacks the scope "${scope}"`, {
    code: "insufficient_scope",
    status: 403,
    hint: "Use another key, or have one made with this scope",
    details: { required_scope: scope },
    headers: { "www-authenticate": `Bearer realm="synth", error="insufficient_scope"` },
  });
}
