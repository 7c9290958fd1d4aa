/** Everything that the gateway counts, in one place; docs/observability.md has the table. @module */
import { hasDeno, memoryUse } from "@synth/core/platform";
import type { RequestContext } from "../http/request_context.ts";
import type { TokenUsage } from "../pricing/price.ts";
import type { AdmissionObserver, StoreOperation } from "../sessions/admission_observer.ts";
import type { Amounts, Metric, ScopeKind } from "../sessions/limits.ts";
import { METRICS } from "../sessions/limits.ts";
import type { UpstreamObserver, UpstreamOutcome } from "../upstreams/client.ts";
import { VERSION } from "../version.ts";
import { ModelSeriesTable } from "./model_series.ts";
import { type Cell, type Family, type HistogramCell, Registry } from "./prometheus.ts";

/** What the route table says of a route. */
export interface MeteredRoute {
  readonly method: string;
  readonly paths: readonly string[];
}

/** What one model has done since the gateway started. */
export interface ModelTotals {
  readonly model: string;
  readonly requests: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Nano-USD. */
  readonly costNanoUsd: number;
}

/** The numbers of this process for people: since it started. */
export interface MetricsSnapshot {
  readonly requests: number;
  readonly requestsInFlight: number;
  readonly streamsOpen: number;
  readonly leasesOpen: number;
  readonly budgetRefusals: number;
  readonly rateLimited: number;
  readonly settleFailures: number;
  readonly models: readonly ModelTotals[];
}

/** Numbers that others keep. */
export interface MetricsSources {
  readonly inFlight: () => number;
  readonly streamsOpen: () => number;
  readonly draining: () => boolean;
}

interface RouteSeries {
  /** By the first digit of the status. */
  readonly statuses: (Cell | undefined)[];
  readonly duration: HistogramCell;
}

/** Seconds. */
const HTTP_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const STORE_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
/** One name for each unit; `unit`: how many of ours make one of its. */
const OVERRUN: Readonly<Record<Metric, { name: string; words: string; unit: number }>> = {
  tokens: { name: "synth_overrun_tokens_total", words: "Tokens used", unit: 1 },
  cost: {
    name: "synth_overrun_nano_usd_total",
    words: "Billionths of a US dollar spent",
    unit: 1,
  },
  gpu_time: {
    name: "synth_overrun_gpu_seconds_total",
    words: "Seconds of GPU used",
    unit: 1000,
  },
  api_calls: { name: "synth_overrun_api_calls_total", words: "Calls made", unit: 1 },
};
const OUTCOMES = new Set(["completed", "incomplete", "failed", "aborted"]);
const NOWHERE: MeteredRoute = { method: "other", paths: ["other"] };

/** The counters of one gateway (in Workers: of one isolate). */
export class GatewayMetrics implements AdmissionObserver, UpstreamObserver {
  readonly #registry: Registry = new Registry();
  readonly #sources: MetricsSources;
  /** By path and method: a frame of a WebSocket is a route of its own, and must not be kept. */
  readonly #routes: Map<string, Map<string, RouteSeries>> = new Map();
  readonly #requests: Family<Cell>;
  readonly #durations: Family<HistogramCell>;
  readonly #models: ModelSeriesTable;
  readonly #upstreams: Family<Cell>;
  readonly #upstreamCells: Map<string, Map<UpstreamOutcome, Cell>> = new Map();
  readonly #retries: Family<Cell>;
  readonly #streams: Family<Cell>;
  readonly #cuts: Cell;
  readonly #refusals: Family<Cell>;
  readonly #overrun: Readonly<Record<Metric, Cell>>;
  readonly #expired: Cell;
  readonly #settleFailures: Cell;
  readonly #storeSeconds: Readonly<Record<StoreOperation, HistogramCell>>;
  readonly #storeErrors: Readonly<Record<StoreOperation, Cell>>;
  readonly #rateLimited: Readonly<Record<"requests" | "streams", Cell>>;
  readonly #loops: Family<Cell>;
  #leasesOpen = 0;

  constructor(sources: MetricsSources) {
    const registry = this.#registry;
    this.#sources = sources;
    registry.info("synth_build_info", "The version that runs", { version: VERSION });
    this.#requests = registry.counter(
      "synth_http_requests_total",
      "Requests that were answered to their end",
      ["route", "method", "status"],
    );
    this.#durations = registry.histogram(
      "synth_http_request_duration_seconds",
      "From the request to the last byte of its answer",
      HTTP_SECONDS,
      ["route", "method"],
    );
    registry.gauge(
      "synth_http_requests_in_flight",
      "Requests without their last byte",
      () => sources.inFlight(),
    );
    registry.gauge("synth_draining", "1 while the gateway stops", () => Number(sources.draining()));
    this.#models = new ModelSeriesTable(registry);
    this.#upstreams = registry.counter(
      "synth_upstream_requests_total",
      "Attempts to call an upstream",
      ["upstream", "outcome"],
    );
    this.#retries = registry.counter(
      "synth_upstream_retries_total",
      "Attempts beyond the first of a request",
      ["upstream"],
    );
    registry.gauge("synth_streams_open", "Streams without their last byte", sources.streamsOpen);
    this.#streams = registry.counter("synth_streams_total", "Streams that ended", ["outcome"]);
    this.#cuts = registry.counter(
      "synth_stream_cuts_total",
      "Answers cut because they outgrew their lease",
    ).cell();
    this.#refusals = registry.counter(
      "synth_budget_refusals_total",
      "Requests that a limit refused",
      ["scope", "metric", "reason"],
    );
    this.#overrun = each(METRICS, (metric) => {
      const { name, words } = OVERRUN[metric];
      return registry.counter(name, `${words} beyond their lease`).cell();
    });
    registry.gauge(
      "synth_leases_open",
      "Leases of this process that hold a part of a budget",
      () => this.#leasesOpen,
    );
    this.#expired = registry.counter(
      "synth_leases_expired_total",
      "Leases that nobody settled in time and that were charged in full",
    ).cell();
    this.#settleFailures = registry.counter(
      "synth_settle_failures_total",
      "Settlements that failed or came after the answer",
    ).cell();
    const operations = ["reserve", "settle", "release"] as const;
    const seconds = registry.histogram(
      "synth_store_duration_seconds",
      "How long the ledger's store took",
      STORE_SECONDS,
      ["operation"],
    );
    const errors = registry.counter(
      "synth_store_errors_total",
      "Calls of the ledger's store that failed",
      ["operation"],
    );
    this.#storeSeconds = each(operations, (operation) => seconds.cell(operation));
    this.#storeErrors = each(operations, (operation) => errors.cell(operation));
    const limited = registry.counter(
      "synth_rate_limited_total",
      "Requests that a rate limit of their key refused",
      ["limit"],
    );
    this.#rateLimited = each(["requests", "streams"] as const, (limit) => limited.cell(limit));
    this.#loops = registry.counter(
      "synth_loop_guard_stops_total",
      "Turns that the loop guard made a model end",
      ["reason"],
    );
    this.#addProcess();
  }

  /** A request is over. @param route `null`: there was nothing at its path, or not under this method */
  finished(context: RequestContext, route: MeteredRoute | null, durationMs: number): void {
    const { fields, model } = context;
    const series = this.#route(route ?? NOWHERE);
    const status = Math.floor(Number(fields["status"] ?? 0) / 100);
    const cell = series.statuses[status] ?? this.#status(series, route ?? NOWHERE, status);
    cell.value++;
    series.duration.observe(durationMs / 1000);
    if (model === null) return;
    const { duration, firstToken, fallbacks } = this.#models.of(model.key);
    duration.observe(durationMs / 1000);
    const first = fields["ttft_ms"];
    if (typeof first === "number") firstToken.observe(first / 1000);
    if (fields["fallbacks"] !== undefined) fallbacks.value++;
    if (fields["settlement"] !== undefined) this.#settleFailures.value++;
    if (fields["cut"] === true) this.#cuts.value++;
    if (fields["loop_guard"] !== undefined) {
      this.#loops.cell(loopReason(fields["loop_guard"])).value++;
    }
    // What fails before its first byte is answered with a stream as well.
    const { stream, outcome } = fields;
    if (stream !== true || status !== 2 || typeof outcome !== "string") return;
    if (OUTCOMES.has(outcome)) this.#streams.cell(outcome).value++;
  }

  /** One attempt to call an upstream is over, up to the head of its answer. */
  upstreamAnswered(upstream: string, outcome: UpstreamOutcome, again: boolean): void {
    let cells = this.#upstreamCells.get(upstream);
    if (cells === undefined) this.#upstreamCells.set(upstream, cells = new Map());
    let cell = cells.get(outcome);
    if (cell === undefined) {
      cells.set(outcome, cell = this.#upstreams.cell(upstream, outcome));
    }
    cell.value++;
    if (again) this.#retries.cell(upstream).value++;
  }

  /** A lease was granted. */
  leaseOpened(): void {
    this.#leasesOpen++;
  }

  /** A lease was settled, charged or given back, or its store gave up. */
  leaseClosed(): void {
    this.#leasesOpen--;
  }

  /** Leases of whomever were charged because their time was over. */
  leasesExpired(count: number): void {
    this.#expired.value += count;
  }

  /** A limit refused a request. `metric` is `null` where a session is what is wrong. */
  budgetRefused(scope: ScopeKind, metric: Metric | null, reason: string): void {
    this.#refusals.cell(scope, metric ?? "none", reason).value++;
  }

  /** A lease came to this. @param key of the model in the configuration */
  settled(key: string, tokens: TokenUsage, costNanoUsd: bigint, overrun: Amounts): void {
    const series = this.#models.of(key);
    series.input.value += tokens.input;
    series.cached.value += tokens.cached;
    series.output.value += tokens.output;
    series.reasoning.value += tokens.reasoning;
    series.cost.value += Number(costNanoUsd);
    this.overran(overrun);
  }

  /** What was used beyond its lease. */
  overran(overrun: Amounts): void {
    for (const metric of METRICS) {
      if (overrun[metric] === 0n) continue;
      this.#overrun[metric].value += Number(overrun[metric]) / OVERRUN[metric].unit;
    }
  }

  /** The ledger's store has answered or failed. */
  storeTook(operation: StoreOperation, ms: number, failed: boolean): void {
    this.#storeSeconds[operation].observe(ms / 1000);
    if (failed) this.#storeErrors[operation].value++;
  }

  /** A rate limit refused a request. */
  rateLimited(limit: "requests" | "streams"): void {
    this.#rateLimited[limit].value++;
  }

  /** For Prometheus. */
  text(): string {
    return this.#registry.text();
  }

  /** For people, without a name of an org, session, key or user. */
  snapshot(): MetricsSnapshot {
    return {
      requests: sumOf(this.#requests),
      requestsInFlight: this.#sources.inFlight(),
      streamsOpen: this.#sources.streamsOpen(),
      leasesOpen: this.#leasesOpen,
      budgetRefusals: sumOf(this.#refusals),
      rateLimited: this.#rateLimited.requests.value + this.#rateLimited.streams.value,
      settleFailures: this.#settleFailures.value,
      models: [...this.#models.entries()].map(([model, series]) => ({
        model,
        requests: series.duration.count,
        inputTokens: series.input.value,
        outputTokens: series.output.value,
        costNanoUsd: series.cost.value,
      })),
    };
  }

  #route({ method, paths: [path = ""] }: MeteredRoute): RouteSeries {
    const known = this.#routes.get(path)?.get(method);
    if (known !== undefined) return known;
    const made: RouteSeries = { statuses: [], duration: this.#durations.cell(path, method) };
    const methods = this.#routes.get(path) ?? new Map<string, RouteSeries>();
    this.#routes.set(path, methods.set(method, made));
    return made;
  }

  #status(series: RouteSeries, route: MeteredRoute, status: number): Cell {
    const cell = this.#requests.cell(route.paths[0] ?? "", route.method, `${status}xx`);
    series.statuses[status] = cell;
    return cell;
  }

  #addProcess(): void {
    if (!hasDeno()) return;
    const registry = this.#registry;
    registry.gauge(
      "process_start_time_seconds",
      "When the process started, in seconds since the epoch",
      () => performance.timeOrigin / 1000,
    );
    registry.gauge(
      "process_resident_memory_bytes",
      "Memory of the process",
      () => memoryUse()?.residentBytes ?? null,
    );
    registry.gauge(
      "synth_heap_bytes",
      "Memory of the process that JavaScript uses",
      () => memoryUse()?.heapBytes ?? null,
    );
  }
}

function each<K extends string, V>(keys: readonly K[], make: (key: K) => V): Record<K, V> {
  return Object.fromEntries(keys.map((key) => [key, make(key)])) as Record<K, V>;
}

function sumOf(family: Family<Cell>): number {
  let sum = 0;
  for (const [, cell] of family.cells()) sum += cell.value;
  return sum;
}

function loopReason(reason: unknown): string {
  return reason === "max_rounds" || reason === "max_identical" ? reason : "other";
}
