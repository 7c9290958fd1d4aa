import type { Json } from "@synth/core";
import type { Span } from "@opentelemetry/api";
import type { ResolvedModel } from "../upstreams/model_table.ts";

/** The call of one model, as a span. */
export interface ModelSpan {
  /** For the upstream. */
  readonly traceParent: string;
  readonly model: ResolvedModel;
  readonly span: Span;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  /** What the log line said of the calls before this one; it says it again when this one is over. */
  readonly before: Readonly<Record<string, Json>>;
}
