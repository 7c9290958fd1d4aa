/**
 * A task app's server.
 *
 * @module
 */
import { type Context, Hono, type MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { SynthError } from "@synth/core";
import { normalizeTaskAppConfig } from "../contract/normalize_config.ts";
import type {
  TaskAppConfig,
  TaskAppConfigInput,
  TaskAppHook,
  TaskAppRouter,
} from "../contract/task_app_config.ts";
import { asSynthError, errorAnswer, json } from "./answer.ts";
import { TaskAppDoor } from "./auth.ts";
import { Frame } from "./frame.ts";
import { type TaskAppOptions, type TaskAppPorts, taskAppPorts } from "./options.ts";
import { proxyCall, VENDORS } from "./proxy/proxy_route.ts";
import { Rollouts } from "./rollout_route.ts";
import { taskAppInfo, taskInfo } from "./task_routes.ts";

/**
 * A task app: a Hono app whose hooks run when it starts and stops.
 *
 * It starts by itself with its first request; a host that can should call {@linkcode TaskApp.start} before it listens.
 */
export class TaskApp extends Hono {
  /** Normalised, with all rubrics parsed. */
  readonly config: TaskAppConfig;
  readonly #ports: TaskAppPorts;
  readonly #door: TaskAppDoor;
  readonly #rollouts: Rollouts;
  readonly #frames: WeakMap<Context, Frame> = new WeakMap();
  #starting: Promise<void> | null = null;
  #stopping: Promise<void> | null = null;

  /** @throws {SynthError} 400 `invalid_task_app_config` */
  constructor(config: TaskAppConfigInput, options: TaskAppOptions = {}) {
    super();
    this.config = normalizeTaskAppConfig(config);
    this.#ports = taskAppPorts(options);
    this.#door = new TaskAppDoor({
      env: this.#ports.env,
      legacyStatus: this.config.legacyAuthStatus === true,
    });
    this.#rollouts = new Rollouts(this.config, this.#ports);
    this.onError((error, context) => this.#answerError(error, context));
    this.notFound((context) => this.#answerError(notFound(), context));
    this.#mount();
  }

  /** Runs the startup hooks, once, in their order. @throws what a hook throws; each request is then a 503 `startup_failed` */
  start(): Promise<void> {
    return this.#starting ??= this.#runHooks(this.config.startupHooks ?? []);
  }

  /**
   * Ends the rollouts that run (503 `task_app_stopping`), then runs all shutdown hooks, once, if the app was started. Later requests are refused.
   *
   * @throws {AggregateError} what the hooks threw
   */
  stop(): Promise<void> {
    return this.#stopping ??= this.#stop();
  }

  /** As {@linkcode TaskApp.stop}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #mount(): void {
    const { config } = this;
    const id = config.appId;
    this.use("*", (context, next) => this.#framed(context, next));
    const origins = config.corsOrigins ?? [];
    if (origins.length > 0) this.use("*", corsFor(origins));
    for (const middleware of config.middleware ?? []) this.use("*", middleware);
    this.#route("GET", "/", false, () => json({ status: "ok", service: id }));
    this.#route("GET", "/livez", false, () => json({ status: "ok" }));
    this.#route("GET", "/health", true, () =>
      json({
        healthy: true,
        status: "healthy",
        service: id,
        auth: { required: config.requireApiKey !== false },
      }));
    this.#route("GET", "/info", true, () => json(taskAppInfo(config)));
    this.#route(
      "GET",
      "/task_info",
      true,
      async (context) => json(await taskInfo(config, new URL(context.req.url).searchParams)),
    );
    this.#route(
      "POST",
      "/rollout",
      true,
      (context) => this.#rollouts.handle(context.req.raw, this.#frame(context)),
    );
    this.#route("POST", "/done", true, () => json({ ok: true, service: id }));
    if (config.exposeDebugEnv === true) {
      this.#route("GET", "/debug/env", true, () => json(this.#debugEnv()));
    }
    for (const vendor of VENDORS) {
      if (!vendor.enabled(config.proxy ?? {})) continue;
      this.#route(
        "POST",
        vendor.path,
        true,
        (context) => proxyCall(context.req.raw, vendor, config, this.#ports),
      );
    }
    this.#mountRouters();
  }

  #route(
    method: "GET" | "POST",
    path: string,
    auth: boolean,
    handler: (context: Context) => Response | Promise<Response>,
  ): void {
    const allow = method === "GET" ? "GET, HEAD" : method;
    this.on(method, path, (context) => {
      if (auth) this.#check(context);
      return handler(context);
    });
    this.all(path, () => {
      throw new SynthError(`This path answers only ${allow}`, {
        code: "method_not_allowed",
        status: 405,
        headers: { allow },
      });
    });
  }

  /** Those without a key first: the check of the others would stand in their way. */
  #mountRouters(): void {
    const routers = (this.config.routers ?? []).map((router): TaskAppRouter =>
      "app" in router ? router : { app: router }
    );
    for (const { app, path, auth } of routers) if (auth === false) this.route(path ?? "/", app);
    for (const { app, path, auth } of routers) {
      if (auth === false) continue;
      const guarded = new Hono();
      guarded.use("*", async (context, next) => {
        this.#check(context);
        await next();
      });
      guarded.route("/", app);
      this.route(path ?? "/", guarded);
    }
  }

  async #framed(context: Context, next: () => Promise<void>): Promise<void> {
    const { log, clock } = this.#ports;
    const frame = new Frame(context.req.raw, log, clock);
    this.#frames.set(context, frame);
    try {
      await this.#ready();
      await next();
    } catch (error) {
      // What is no Error passes through Hono's own handling.
      context.res = this.#answerError(error, context);
    }
    context.header("x-request-id", frame.id);
    frame.finish(context.req.method, shownPath(context), context.res.status);
  }

  async #ready(): Promise<void> {
    if (this.#stopping !== null) throw stopping({ "x-should-retry": "true" });
    try {
      await this.start();
    } catch (cause) {
      throw new SynthError("The task app could not start", {
        code: "startup_failed",
        status: 503,
        cause,
      });
    }
  }

  #answerError(error: unknown, context: Context): Response {
    const known = asSynthError(error);
    const frame = this.#frames.get(context);
    frame?.fail(known);
    return errorAnswer(known);
  }

  #frame(context: Context): Frame {
    return this.#frames.get(context) ??
      new Frame(context.req.raw, this.#ports.log, this.#ports.clock);
  }

  #check(context: Context): void {
    if (this.config.requireApiKey !== false) this.#door.check(context.req.raw.headers);
  }

  #debugEnv(): Record<string, boolean> {
    const has = (name: string) => (this.#ports.env(name) ?? "").trim() !== "";
    return {
      has_ENVIRONMENT_API_KEY: has("ENVIRONMENT_API_KEY"),
      has_OPENAI_API_KEY: has("OPENAI_API_KEY"),
      has_GROQ_API_KEY: has("GROQ_API_KEY"),
    };
  }

  async #runHooks(hooks: readonly TaskAppHook[]): Promise<void> {
    for (const hook of hooks) await hook(this);
  }

  async #stop(): Promise<void> {
    this.#rollouts.interrupt(stopping());
    if (this.#starting === null) return;
    const errors: unknown[] = [];
    await this.#starting.catch(() => {});
    for (const hook of this.config.shutdownHooks ?? []) {
      try {
        await hook(this);
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) {
      throw new AggregateError(errors, "Shutdown hooks of the task app failed");
    }
  }
}

/**
 * Makes a task app.
 *
 * ```ts
 * import { createTaskApp } from "@synth/task-app";
 *
 * const app = createTaskApp({
 *   appId: "echo",
 *   name: "Echo",
 *   description: "Gives 1 for each rollout",
 *   baseTaskInfo: { task: { id: "echo", name: "Echo" }, environment: "echo" },
 *   describeTaskset: () => ({ size: 10 }),
 *   provideTaskInstances: (seeds) =>
 *     seeds.map((seed) => ({ task: { id: `echo-${seed}`, name: "Echo" }, environment: "echo" })),
 *   rollout: (request) => ({
 *     run_id: request.run_id,
 *     metrics: { episode_returns: [1], mean_return: 1, num_steps: 1 },
 *   }),
 * }, { env: () => "a-key-for-this-example" });
 *
 * const answer = await app.request("/task_info", { headers: { "x-api-key": "a-key-for-this-example" } });
 * await answer.json(); // { taskset: { size: 10 } }
 * ```
 *
 * @throws {SynthError} 400 `invalid_task_app_config`
 */
export function createTaskApp(config: TaskAppConfigInput, options: TaskAppOptions = {}): TaskApp {
  return new TaskApp(config, options);
}

function corsFor(origins: readonly string[]): MiddlewareHandler {
  return cors({
    origin: origins.includes("*") ? "*" : [...origins],
    allowMethods: ["GET", "HEAD", "POST"],
    allowHeaders: ["authorization", "content-type", "x-api-key", "x-api-keys", "x-request-id"],
    exposeHeaders: ["x-request-id", "retry-after"],
    maxAge: 600,
  });
}

/** The path for the log: of one that is not ours only that, since a stranger may have put anything into it. */
function shownPath(context: Context): string {
  const status = context.res.status;
  return status === 404 ? "(unknown)" : context.req.path.slice(0, 256);
}

function notFound(): SynthError {
  return new SynthError("There is no such path", {
    code: "not_found",
    status: 404,
    hint: "A task app has /, /livez, /health, /info, /task_info, /rollout and /done",
  });
}

function stopping(headers: Record<string, string> = {}): SynthError {
  return new SynthError("The task app stops", {
    code: "task_app_stopping",
    status: 503,
    headers: { "retry-after": "5", ...headers },
  });
}
