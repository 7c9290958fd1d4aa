/** The W3C header that names a span: `00-<trace>-<span>-<flags>`. @module */
import { isSpanContextValid, type SpanContext } from "@opentelemetry/api";

const SHAPE = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** Reads the header; `null` for anything that is not of version 00 and valid. */
export function parseTraceParent(header: string | null): SpanContext | null {
  const [, traceId, spanId, flags] = header === null ? [] : SHAPE.exec(header) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return null;
  const parent = { traceId, spanId, traceFlags: parseInt(flags, 16) & 1, isRemote: true };
  return isSpanContextValid(parent) ? parent : null;
}

/** Writes it. */
export function formatTraceParent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-0${traceFlags & 1}`;
}
