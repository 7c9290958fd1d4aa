/**
 * OpenTelemetry by its API alone: without a provider nothing is made and nothing is recorded. Deno brings one (`OTEL_DENO=true`), elsewhere the
 * program that embeds the gateway does. Names are those of the semantic conventions for generative AI. No text of a prompt or an answer is
 * ever recorded, and no org, user, session or key.
 *
 * @module
 */
import {
  type Attributes,
  context as active,
  createNoopMeter,
  type Histogram,
  metrics,
  ProxyTracerProvider,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import type { Json } from "@synth/core";
import type { ModelSpan } from "./model_span.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { ResolvedModel } from "../upstreams/model_table.ts";
import { VERSION } from "../version.ts";
import { formatTraceParent, parseTraceParent } from "./trace_parent.ts";

const NAME = "synth-gateway";
/** The conventions' names where they differ from those of our profiles. */
const PROVIDERS: ReadonlyMap<string, string> = new Map([
  ["mistral", "mistral_ai"],
  ["moonshot", "moonshot_ai"],
  ["xai", "x_ai"],
]);
/** As the conventions advise. */
const SECONDS = [
  0.01,
  0.02,
  0.04,
  0.08,
  0.16,
  0.32,
  0.64,
  1.28,
  2.56,
  5.12,
  10.24,
  20.48,
  40.96,
  81.92,
];
const FIRST = [
  0.001,
  0.005,
  0.01,
  0.02,
  0.04,
  0.06,
  0.08,
  0.1,
  0.25,
  0.5,
  0.75,
  1,
  2.5,
  5,
  7.5,
  10,
];
const TOKENS = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216];

/** Most values of `error.type` in measurements; the rest is `_OTHER`, as the conventions call it. */
const MAX_ERROR_TYPES = 100;

interface Instruments {
  readonly duration: Histogram;
  readonly tokens: Histogram;
  readonly firstToken: Histogram;
}

/** Spans and measurements of a gateway. */
export class Telemetry {
  readonly #instruments: Instruments | null = instruments();
  readonly #errorTypes: Set<string> = new Set();

  /** Names the server's span, where something made one: Deno does. */
  request(context: RequestContext, route: string): void {
    if (tracer() === null) return;
    const span = trace.getActiveSpan();
    if (span === undefined || !span.isRecording()) return;
    span.updateName(`${context.request.method} ${route}`);
    span.setAttributes({ "http.route": route, "synth.request_id": context.id });
    context.fields["otel_trace_id"] = span.spanContext().traceId;
  }

  /** Begins the call of a model, and ends the one before: a fallback follows what failed. */
  begin(context: RequestContext, model: ResolvedModel, stream: boolean): void {
    this.#end(context, replacedError);
    const spans = tracer();
    if (spans === null) {
      if (this.#instruments === null) return;
      const startedAt = context.clock.monotonic();
      context.call = {
        traceParent: "",
        model,
        span: NO_SPAN,
        startedAt,
        before: setAside(context.fields),
      };
      return;
    }
    const span = spans.startSpan(`chat ${model.name.slice(0, 256)}`, {
      kind: SpanKind.CLIENT,
      attributes: {
        ...attributesOf(model),
        "gen_ai.request.model": model.name.slice(0, 256),
        "gen_ai.request.stream": stream,
        "synth.request_id": context.id,
        "synth.upstream": model.upstream.name,
      },
    }, parentOf(context));
    context.call = {
      traceParent: formatTraceParent(span.spanContext()),
      model,
      span,
      startedAt: context.clock.monotonic(),
      before: setAside(context.fields),
    };
  }

  /** Ends the call that runs, with what the log line says of it. */
  end(context: RequestContext): void {
    this.#end(context, errorOf);
  }

  #end(context: RequestContext, reason: (context: RequestContext) => string | null): void {
    const { call } = context;
    if (call === null) return;
    context.call = null;
    const error = reason(context);
    this.#measure(context, call, error);
    const { span, before } = call;
    if (span.isRecording()) {
      for (const [attribute, field] of SPAN_FIELDS) {
        const value = context.fields[field];
        if (typeof value === "number" || typeof value === "string") {
          span.setAttribute(attribute, value);
        }
      }
      if (error !== null) {
        span.setAttribute("error.type", error);
        span.setStatus({ code: SpanStatusCode.ERROR });
      }
      span.end();
    }
    putBack(context.fields, before);
  }

  /** An upstream's own codes may be of any number; a measurement keeps a series for each. */
  #errorType(error: string): string {
    if (this.#errorTypes.size >= MAX_ERROR_TYPES && !this.#errorTypes.has(error)) return "_OTHER";
    this.#errorTypes.add(error);
    return error;
  }

  #measure(context: RequestContext, call: ModelSpan, error: string | null): void {
    if (this.#instruments === null) return;
    const { duration, tokens, firstToken } = this.#instruments;
    // The configuration's name for it: clients choose what a pattern matches.
    const common = { ...attributesOf(call.model), "gen_ai.request.model": call.model.key };
    const failed = error === null ? {} : { "error.type": this.#errorType(error) };
    const seconds = (context.clock.monotonic() - call.startedAt) / 1000;
    duration.record(seconds, { ...common, ...failed });
    const { input_tokens: input, output_tokens: output, ttft_ms: first } = context.fields;
    if (typeof input === "number") {
      tokens.record(input, { ...common, "gen_ai.token.type": "input" });
    }
    if (typeof output === "number") {
      tokens.record(output, { ...common, "gen_ai.token.type": "output" });
    }
    if (typeof first === "number") firstToken.record(first / 1000, common);
  }
}

/** Attributes of the span that the log line has, too. */
const SPAN_FIELDS: readonly (readonly [attribute: string, field: string])[] = [
  ["gen_ai.usage.input_tokens", "input_tokens"],
  ["gen_ai.usage.output_tokens", "output_tokens"],
  ["synth.cost_nano_usd", "cost_nano_usd"],
  ["synth.outcome", "outcome"],
  ["synth.attempts", "attempts"],
];

/** Fields of the log line that tell of the whole request, where a span tells of its own call. */
const OF_THE_REQUEST = ["cost_nano_usd", "attempts", "upstream_status", "upstream_failure"];

function setAside(fields: Record<string, Json>): Readonly<Record<string, Json>> {
  const before: Record<string, Json> = {};
  for (const name of OF_THE_REQUEST) {
    const value = fields[name];
    if (value === undefined) continue;
    before[name] = value;
    delete fields[name];
  }
  return before;
}

function putBack(fields: Record<string, Json>, before: Readonly<Record<string, Json>>): void {
  for (const [name, value] of Object.entries(before)) {
    const own = fields[name];
    if (own === undefined) fields[name] = value;
    // The only one that is a sum.
    else if (name === "cost_nano_usd") fields[name] = Number(own) + Number(value);
  }
}

/**
 * The `traceparent` for an upstream that is to have one: of the span that runs, else the one that the client sent.
 *
 * @returns `null`: none is sent
 */
export function traceParentFor(context: RequestContext, model: ResolvedModel): string | null {
  if (!model.upstream.sendTraceParent) return null;
  const own = context.call?.traceParent ?? "";
  if (own !== "") return own;
  const theirs = parseTraceParent(context.request.headers.get("traceparent"));
  return theirs === null ? null : formatTraceParent(theirs);
}

/** Records nothing. */
const NO_SPAN: Span = trace.wrapSpanContext({ traceId: "", spanId: "", traceFlags: 0 });

/** `null` without a provider: then no span is made. */
function tracer(): Tracer | null {
  const provider = trace.getTracerProvider();
  if (!(provider instanceof ProxyTracerProvider)) return provider.getTracer(NAME, VERSION);
  return provider.getDelegateTracer(NAME, VERSION) ?? null;
}

function instruments(): Instruments | null {
  const meter = metrics.getMeter(NAME, VERSION);
  if (meter.constructor === createNoopMeter().constructor) return null;
  return {
    duration: meter.createHistogram("gen_ai.client.operation.duration", {
      description: "GenAI operation duration",
      unit: "s",
      advice: { explicitBucketBoundaries: SECONDS },
    }),
    tokens: meter.createHistogram("gen_ai.client.token.usage", {
      description: "Number of input and output tokens used",
      unit: "{token}",
      advice: { explicitBucketBoundaries: TOKENS },
    }),
    firstToken: meter.createHistogram("gen_ai.server.time_to_first_token", {
      description: "Time to generate first token",
      unit: "s",
      advice: { explicitBucketBoundaries: FIRST },
    }),
  };
}

function attributesOf({ upstream }: ResolvedModel): Attributes {
  const { name } = upstream.profile;
  const provider = name === "generic" || name === "uncapped" ? upstream.name : name;
  const attributes: Attributes = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": PROVIDERS.get(provider) ?? provider,
  };
  if (upstream.baseUrl !== null) {
    const { hostname, port, protocol } = new URL(upstream.baseUrl);
    attributes["server.address"] = hostname;
    attributes["server.port"] = Number(port) || (protocol === "https:" ? 443 : 80);
  }
  return attributes;
}

/** The span that runs (Deno makes one for every request), else the client's. */
function parentOf(context: RequestContext): ReturnType<typeof active.active> {
  const current = active.active();
  if (trace.getSpan(current) !== undefined) return current;
  const remote = parseTraceParent(context.request.headers.get("traceparent"));
  return remote === null ? current : trace.setSpanContext(current, remote);
}

/** Why another model is called. */
function replacedError({ fields }: RequestContext): string {
  return String(fields["upstream_status"] ?? fields["upstream_failure"] ?? "upstream_failed");
}

function errorOf({ fields }: RequestContext): string | null {
  const { error_code: code, outcome } = fields;
  if (typeof code === "string") return code;
  return outcome === "failed" ? "upstream_failed" : null;
}
