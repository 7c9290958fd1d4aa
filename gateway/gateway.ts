/** Puts a gateway together. @module */
import { type Clock, type Logger, silentLogger, SynthError, systemClock } from "@synth/core";
import type { SynthConfig } from "@synth/core/config";
import { hasDeno } from "@synth/core/platform";
import { createFetch } from "./app.ts";
import { CoarseClock } from "./coarse_clock.ts";
import { Dashboard } from "./dashboard/dashboard.ts";
import { authenticate } from "./http/authenticate.ts";
import { admitPage, preflight } from "./http/cors.ts";
import { logFinished, refusal } from "./http/finished.ts";
import { InFlight } from "./http/in_flight.ts";
import { RequestContext } from "./http/request_context.ts";
import { secure } from "./http/security_headers.ts";
import { type RateDefaults, RateLimiter } from "./keys/rate_limiter.ts";
import { GatewayMetrics } from "./metrics/gateway_metrics.ts";
import { isLocalCaller } from "./metrics/local_caller.ts";
import type { FetchInfo, Gateway, GatewayOptions } from "./options.ts";
import { priceBook } from "./pricing/price_book.ts";
import { TaskAppRegistry } from "./registry/task_app_registry.ts";
import { ResponseStore } from "./responses/response_store.ts";
import { OpenSockets } from "./responses/socket/open_sockets.ts";
import type { Route, Services } from "./services.ts";
import { type Admission, UnmeteredAdmission } from "./sessions/admission.ts";
import { LeaseSweeper } from "./sessions/lease_sweeper.ts";
import { LedgerAdmission } from "./sessions/ledger_admission.ts";
import { portablePrefixHash } from "./sessions/prefix_hash.ts";
import { makeSnapshot, type Snapshot } from "./snapshot.ts";
import { Telemetry } from "./telemetry/telemetry.ts";
import { UpstreamClient } from "./upstreams/client.ts";
import { demoTransport } from "./upstreams/demo/demo_transport.ts";
import { watchClient } from "./upstreams/open_upstream.ts";
import { VERSION } from "./version.ts";
import { within } from "./within.ts";

/** Milliseconds that requests get to say goodbye once the grace time of a drain is over. */
const GOODBYE_MS = 5000;
/** Milliseconds that clients of WebSockets get to take the last frames. */
const LAST_FRAMES_MS = 2000;

/**
 * Opens a gateway.
 *
 * @throws {SynthError} when the key of an upstream cannot be read
 */
export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  return new RunningGateway(options, await makeSnapshot(options.config, options.secrets));
}

class RunningGateway implements Gateway {
  readonly #options: GatewayOptions;
  readonly #services: Services;
  readonly #fetch: ReturnType<typeof createFetch>;
  readonly #log: Logger;
  readonly #inFlight: InFlight = new InFlight();
  readonly #sweeper: LeaseSweeper | null;
  #snapshot: Snapshot;
  #draining = false;

  constructor(options: GatewayOptions, snapshot: Snapshot) {
    const base = options.clock ?? systemClock;
    // Workers forbid that one request's timer acts for another.
    const clock = hasDeno() ? new CoarseClock(base) : base;
    this.#options = options;
    this.#snapshot = snapshot;
    this.#log = options.log ?? silentLogger;
    const rates = new RateLimiter(
      clock,
      () => rateDefaults(this.#snapshot.config),
      { rateLimited: (limit) => metrics.rateLimited(limit) },
    );
    const metrics = new GatewayMetrics({
      inFlight: () => this.#inFlight.size,
      streamsOpen: () => rates.streamsOpen,
      draining: () => this.#draining,
    });
    this.#services = {
      clock,
      log: this.#log,
      admission: this.#admission(clock, metrics),
      ledger: options.ledger ?? null,
      keys: options.keys ?? null,
      prices: options.prices ?? priceBook,
      upstreams: new UpstreamClient(options.transport, demoTransport(), clock, metrics),
      store: options.store ?? null,
      sealer: options.sealer ?? null,
      documents: options.documents ?? null,
      responses: options.documents === undefined || options.sealer === undefined
        ? null
        : new ResponseStore(options.documents, options.sealer),
      sockets: new OpenSockets(clock),
      dashboard: new Dashboard({
        clock,
        authenticator: options.authenticator,
        documents: options.documents ?? null,
        ledger: options.ledger ?? null,
        keys: options.keys ?? null,
        taskApps: options.documents === undefined
          ? null
          : new TaskAppRegistry(options.documents, clock),
        inFlight: this.#inFlight,
        shared: hasDeno(),
      }),
      version: VERSION,
      metrics,
      rates,
      telemetry: new Telemetry(),
      draining: () => this.#draining,
      reload: () => this.reload(),
      run: (route, request, info) => this.#run(route, request, {}, info),
    };
    this.#sweeper = options.ledger === undefined
      ? null
      : new LeaseSweeper(options.ledger, clock, this.#log, metrics);
    this.#fetch = createFetch((route, request, params, info) =>
      this.#run(route, request, params, info)
    );
  }

  #admission(clock: Clock, observer: GatewayMetrics): Admission {
    const { admission, ledger, prices = priceBook, hasher = portablePrefixHash } = this.#options;
    if (admission !== undefined) return admission;
    if (ledger === undefined) return new UnmeteredAdmission();
    const config = (): SynthConfig["sessions"] => this.#snapshot.config.sessions;
    const log = this.#log;
    return new LedgerAdmission({ ledger, prices, config, hasher, clock, log, observer });
  }

  get active(): number {
    return this.#inFlight.size;
  }

  async fetch(request: Request, info: FetchInfo = {}): Promise<Response> {
    return await this.#fetch(request, info);
  }

  async reload(): Promise<void> {
    if (this.#options.loadConfig === undefined) {
      throw new SynthError("This gateway has no configuration that it could read again", {
        code: "reload_unavailable",
        status: 409,
      });
    }
    try {
      const config = await this.#options.loadConfig();
      this.#snapshot = await makeSnapshot(config, this.#options.secrets);
    } catch (error) {
      this.#log.error("reload failed, the old configuration stays in force", { error });
      throw reloadError(error);
    }
    this.#log.info("configuration reloaded");
  }

  async drain(graceMs?: number): Promise<void> {
    const { clock } = this.#services;
    const { sockets } = this.#services;
    this.#draining = true;
    sockets.drain();
    this.#services.dashboard.close();
    const grace = graceMs ?? this.#snapshot.config.gateway.shutdown_grace_s * 1000;
    if (!await within(clock, grace, this.#inFlight.idle())) {
      this.#log.warn("grace time is over, ending requests", { active: this.#inFlight.size });
      this.#inFlight.interrupt(shuttingDown());
      await within(clock, GOODBYE_MS, this.#inFlight.idle());
    }
    await within(clock, GOODBYE_MS, this.#inFlight.settled());
    await within(clock, LAST_FRAMES_MS, sockets.closed());
    await this.#options.transport.close();
    await this.#options.ledger?.close();
    await this.#options.store?.close();
  }

  async #run(
    route: Route | "not_found" | { readonly allow: string },
    request: Request,
    params: Record<string, string>,
    info: FetchInfo,
  ): Promise<Response> {
    const { clock, metrics, telemetry } = this.#services;
    const finished = Promise.withResolvers<void>();
    const context = new RequestContext({
      request,
      params,
      snapshot: this.#snapshot,
      clock,
      info,
      waitUntil: info.waitUntil ?? ((promise) => this.#inFlight.keep(promise)),
      onFinish: (done) => {
        // Before the request counts as done: a drain waits for what is kept.
        this.#sweep(done);
        this.#inFlight.remove(place, done);
        const ms = clock.monotonic() - done.startedAt;
        telemetry.end(done);
        metrics.finished(done, "handler" in Object(route) ? route as Route : null, ms);
        logFinished(this.#log, done, ms);
        finished.resolve();
      },
    });
    // An isolate that ends with its client would leave the upstream running and the lease open.
    info.waitUntil?.(finished.promise);
    if (info.clientGone !== undefined) watchClient(context, info.clientGone);
    const place = this.#inFlight.add(context);
    let response: Response;
    try {
      response = await this.#handle(route, context, info);
    } catch (error) {
      response = refusal(context, error);
    }
    response.headers.set("x-request-id", context.id);
    secure(response);
    if (context.rate !== null) {
      for (const [name, value] of Object.entries(context.rate)) response.headers.set(name, value);
    }
    admitPage(request, response, context.snapshot.config.gateway.cors_origins);
    context.fields["status"] = response.status;
    const ignored = response.headers.get("x-synth-ignored");
    if (ignored !== null) context.fields["ignored"] = ignored;
    // Of an answer to HEAD only the head is taken: a stream behind it would never be read, and never end.
    if (context.streaming && request.method === "HEAD") {
      await response.body?.cancel();
      response = new Response(null, response);
    }
    if (!context.streaming) context.finish();
    return response;
  }

  #sweep(done: RequestContext): void {
    const sweep = done.org === null ? null : this.#sweeper?.sweep(done.org) ?? null;
    if (sweep !== null) done.waitUntil(sweep);
  }

  async #handle(
    route: Route | "not_found" | { readonly allow: string },
    context: RequestContext,
    info: FetchInfo,
  ): Promise<Response> {
    if (route === "not_found") {
      throw new SynthError("There is nothing at this path", { code: "not_found", status: 404 });
    }
    if (!("handler" in route)) {
      const { cors_origins } = context.snapshot.config.gateway;
      const permitted = preflight(context.request, route.allow, cors_origins);
      if (permitted !== null) return permitted;
      throw new SynthError("This method is not allowed here", {
        code: "method_not_allowed",
        status: 405,
        headers: { allow: route.allow },
      });
    }
    const path = route.paths[0] ?? "";
    const { rates, telemetry } = this.#services;
    context.fields["route"] = path;
    telemetry.request(context, path);
    if (this.#draining && route.whileDraining !== true) throw shuttingDown();
    const open = route.scope === null ||
      (route.openLocally === true && context.snapshot.config.gateway.metrics === "local" &&
        isLocalCaller(context.request, info.peer?.() ?? null));
    if (!open && route.scope !== null) {
      await authenticate(this.#options.authenticator, context, route.scope);
      if (route.scope === "infer") context.rate = rates.admit(context.principal);
    }
    return await route.handler(context, this.#services);
  }
}

function rateDefaults({ gateway }: SynthConfig): RateDefaults {
  return { requestsPerMinute: gateway.requests_per_minute, maxStreams: gateway.max_streams };
}

function shuttingDown(): SynthError {
  return new SynthError("The gateway is shutting down", {
    code: "shutting_down",
    status: 503,
    headers: { "retry-after": "1", connection: "close" },
  });
}

function reloadError(error: unknown): SynthError {
  if (error instanceof SynthError) {
    return new SynthError(error.message, {
      code: error.code,
      status: 422,
      type: "invalid_request_error",
      hint: error.hint === undefined
        ? "The old configuration stays in force"
        : `${error.hint}. The old configuration stays in force`,
      details: error.details,
      cause: error,
    });
  }
  return new SynthError("The configuration cannot be read. The old one stays in force", {
    code: "reload_failed",
    status: 500,
    cause: error,
  });
}
