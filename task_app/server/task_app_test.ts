import { assert, assertEquals, assertExists, assertFalse, assertRejects } from "@std/assert";
import { Hono } from "hono";
import { SynthError } from "@synth/core";
import { extractAppInfo } from "../app_info.ts";
import { type Answer, echoApp, echoConfig, envOf, instance, KEY } from "../testing/echo_app.ts";
import { parseRubric } from "../rubrics/rubric.ts";
import { createTaskApp, type TaskApp } from "./task_app.ts";

async function get(
  app: TaskApp,
  path: string,
  init: RequestInit = {},
): Promise<{ status: number; body: Answer; headers: Headers }> {
  const response = await app.request(path, { headers: { "x-api-key": KEY }, ...init });
  const text = await response.text();
  return {
    status: response.status,
    body: text === "" ? null : JSON.parse(text),
    headers: response.headers,
  };
}

Deno.test("createTaskApp answers the paths that want no key", async () => {
  const { app } = echoApp();
  for (const path of ["/", "/livez"]) {
    const { status, body, headers } = await get(app, path, { headers: {} });
    assertEquals([status, body.status], [200, "ok"]);
    assertExists(headers.get("x-request-id"));
  }
  assertEquals((await get(app, "/")).body.service, "echo");
  const head = await get(app, "/", { method: "HEAD", headers: {} });
  assertEquals([head.status, head.body], [200, null]);
});

Deno.test("createTaskApp asks for a key on all that the contract protects", async () => {
  const { app } = echoApp({
    exposeDebugEnv: true,
    proxy: { enableOpenai: true, enableGroq: true },
  });
  const protectedPaths: [string, string][] = [
    ["GET", "/health"],
    ["GET", "/info"],
    ["GET", "/task_info"],
    ["POST", "/rollout"],
    ["POST", "/done"],
    ["GET", "/debug/env"],
    ["POST", "/proxy/v1/chat/completions"],
    ["POST", "/proxy/groq/v1/chat/completions"],
  ];
  for (const [method, path] of protectedPaths) {
    const { status, body } = await get(app, path, { method, headers: {} });
    assertEquals([status, body.error.code], [401, "unauthorised"], path);
  }
});

Deno.test("createTaskApp shows the task at /info", async () => {
  const rubric = parseRubric({ version: "1", criteria: [{ id: "a", description: "A" }] });
  const { app } = echoApp({ rubrics: { outcome: rubric } });
  const { body } = await get(app, "/info");
  assertEquals(body, {
    service: { task: { id: "echo", name: "Echo", version: "1.2" }, version: "1.2" },
    dataset: { id: "rows" },
    rubrics: {
      outcome: {
        version: "1",
        criteria: [{ id: "a", description: "A", weight: 1, required: false }],
        aggregation: "weighted_sum",
      },
      events: null,
    },
    inference: {},
    limits: {},
  });
  assertEquals(extractAppInfo(body), {
    app_id: "echo",
    task_name: "Echo",
    dataset_id: "rows",
    version: "1.2",
  });
  assertEquals((await get(echoApp().app, "/info")).body.rubrics, null);
});

Deno.test("/task_info gives the task set, one object, or a list", async () => {
  const asked: number[][] = [];
  const { app } = echoApp({
    provideTaskInstances: (seeds) => {
      asked.push([...seeds]);
      return seeds.map((seed) => ({ ...instance(`echo-${seed}`), mine: [seed] }));
    },
  });
  assertEquals((await get(app, "/task_info")).body, {
    taskset: { size: 10, scenario_ids: ["a"] },
  });
  const one = (await get(app, "/task_info?seed=7")).body;
  assertEquals([one.task.id, one.mine, one.task_metadata], ["echo-7", [7], {}]);
  assertEquals((await get(app, "/task_info?seeds=-3")).body.task.id, "echo--3");
  const many = (await get(app, "/task_info?seeds=3&seed=1&seed=2&seeds=1")).body;
  assertEquals(many.map((item: Answer) => item.mine[0]), [1, 2, 3, 1]);
  assertEquals(asked, [[7], [-3], [1, 2, 3, 1]]);
});

Deno.test("/task_info refuses what is no seed, and too many", async () => {
  const { app } = echoApp({ limits: { maxSeeds: 3 } });
  const bad = [
    "x",
    "",
    "1.5",
    "1e3",
    "0x10",
    "1,2",
    "9007199254740993",
    "9".repeat(100_000),
    "NaN",
  ];
  for (const seed of bad) {
    const { status, body } = await get(app, `/task_info?seed=1&seeds=${seed}`);
    assertEquals([status, body.error.code, body.error.param], [422, "invalid_seed", "seeds"], seed);
  }
  const query = Array.from({ length: 50_000 }, (_, i) => `seed=${i}`).join("&");
  const { status, body } = await get(app, `/task_info?${query}`);
  assertEquals([status, body.error.code, body.error.limit], [422, "too_many_seeds", 3]);
});

Deno.test("/task_info takes asynchronous instances, and checks them", async () => {
  async function* later(seeds: readonly number[]) {
    for (const seed of seeds) yield await Promise.resolve(instance(`late-${seed}`));
  }
  const { app } = echoApp({ provideTaskInstances: later });
  assertEquals((await get(app, "/task_info?seed=1&seed=2")).body[1].task.id, "late-2");
  function* endless() {
    while (true) yield instance("again");
  }
  const wrong: Answer[] = [
    () => [],
    () => null,
    () => "text",
    endless,
    () => [{ task: { id: 1 } }],
  ];
  for (const provideTaskInstances of wrong) {
    const { status, body } = await get(echoApp({ provideTaskInstances }).app, "/task_info?seed=1");
    assertEquals([status, body.error.code], [500, "invalid_task_instances"]);
  }
  for (const taskset of [null, [], "text"] as Answer[]) {
    const { status, body } = await get(
      echoApp({ describeTaskset: () => taskset }).app,
      "/task_info",
    );
    assertEquals([status, body.error.code], [500, "invalid_taskset"]);
  }
  const last = await get(echoApp({ provideTaskInstances: wrong[4] }).app, "/task_info?seed=1");
  assertEquals(last.body.error.issues[0].path, "[0].task.id");
});

Deno.test("/done answers, other methods are 405, other paths 404", async () => {
  const { app } = echoApp();
  assertEquals((await get(app, "/done", { method: "POST", headers: { "x-api-key": KEY } })).body, {
    ok: true,
    service: "echo",
  });
  const wrong = await get(app, "/rollout");
  assertEquals([wrong.status, wrong.body.error.code, wrong.headers.get("allow")], [
    405,
    "method_not_allowed",
    "POST",
  ]);
  const missing = await get(app, "/nope");
  assertEquals([missing.status, missing.body.error.code], [404, "not_found"]);
  assertEquals(missing.body.detail, { error: missing.body.error });
  assertEquals((await get(app, "/debug/env")).status, 404);
  assertEquals((await get(app, "/proxy/v1/chat/completions")).status, 404);
});

Deno.test("/debug/env says whether keys are there, and nothing of them", async () => {
  const { app } = echoApp({ exposeDebugEnv: true }, {
    env: envOf({ ENVIRONMENT_API_KEY: KEY, OPENAI_API_KEY: "sk-secretsecret" }),
  });
  assertEquals((await get(app, "/debug/env")).body, {
    has_ENVIRONMENT_API_KEY: true,
    has_OPENAI_API_KEY: true,
    has_GROQ_API_KEY: false,
  });
});

Deno.test("routers want a key unless they say otherwise, and middleware is applied", async () => {
  const order: string[] = [];
  const { app } = echoApp({
    routers: [
      new Hono().get("/custom", (c) => c.text('"custom"')),
      { path: "/env", app: new Hono().post("/:name/step", (c) => c.json(c.req.param("name"))) },
      { app: new Hono().get("/open", (c) => c.json("open")), auth: false },
    ],
    middleware: [async (context, next) => {
      order.push(context.req.path);
      await next();
      context.header("x-mine", "yes");
    }],
  });
  assertEquals((await get(app, "/custom")).body, "custom");
  assertEquals((await get(app, "/custom", { headers: {} })).status, 401);
  const step = { method: "POST", headers: { "x-api-key": KEY } };
  assertEquals((await get(app, "/env/grid/step", step)).body, "grid");
  assertEquals((await get(app, "/env/grid/step", { method: "POST", headers: {} })).status, 401);
  const open = await get(app, "/open", { headers: {} });
  assertEquals([open.body, open.headers.get("x-mine")], ["open", "yes"]);
  assertEquals((await get(app, "/health")).headers.get("x-mine"), "yes");
  assertEquals(order.length, 6);
});

Deno.test("web pages may call only when their origin is listed", async () => {
  const page = { origin: "https://a.example", "x-api-key": KEY };
  const cors = async (app: TaskApp, headers: HeadersInit = page) =>
    (await get(app, "/health", { headers })).headers.get("access-control-allow-origin");
  assertEquals(await cors(echoApp().app), null);
  const listed = echoApp({ corsOrigins: ["https://a.example"] }).app;
  assertEquals(await cors(listed), "https://a.example");
  assertEquals(await cors(listed, { ...page, origin: "https://b.example" }), null);
  assertEquals(await cors(echoApp({ corsOrigins: ["*"] }).app), "*");
  // A page must be able to read why it was refused.
  assertEquals(await cors(listed, { origin: "https://a.example" }), "https://a.example");
  const preflight = await listed.request("/rollout", {
    method: "OPTIONS",
    headers: { origin: "https://a.example", "access-control-request-method": "POST" },
  });
  assertEquals(preflight.status, 204);
  assertEquals(preflight.headers.get("access-control-allow-credentials"), null);
});

Deno.test("hooks run once with the app, and stop refuses what comes later", async () => {
  const calls: string[] = [];
  const app: TaskApp = createTaskApp(
    echoConfig({
      startupHooks: [(given) => void calls.push(`start ${given === app}`), async () => {
        await Promise.resolve();
        calls.push("second");
      }],
      shutdownHooks: [() => {
        calls.push("stop");
        throw new Error("broken");
      }, () => void calls.push("last")],
    }),
    { env: envOf({ ENVIRONMENT_API_KEY: KEY }), log: echoApp().log.log },
  );
  assertEquals(calls, []);
  await Promise.all([get(app, "/health"), get(app, "/health"), app.start()]);
  assertEquals(calls, ["start true", "second"]);
  const error = await assertRejects(() => app.stop(), AggregateError);
  assertEquals(error.errors.length, 1);
  await assertRejects(() => app.stop(), AggregateError);
  assertEquals(calls, ["start true", "second", "stop", "last"]);
  const late = await get(app, "/health");
  assertEquals([late.status, late.body.error.code], [503, "task_app_stopping"]);
  assertExists(late.headers.get("x-request-id"));
});

Deno.test("a startup hook that fails makes every answer a 503 with a request id", async () => {
  const { app, log } = echoApp({
    startupHooks: [() => {
      throw new Error("no database");
    }],
  });
  const { status, body, headers } = await get(app, "/livez");
  assertEquals([status, body.error.code], [503, "startup_failed"]);
  assertFalse(JSON.stringify(body).includes("no database"));
  assert(log.lines.join().includes("no database"));
  assertExists(headers.get("x-request-id"));
  await assertRejects(() => app.start(), Error, "no database");
});

Deno.test("a failure of the application is a 500 that tells only the log why", async () => {
  for (const thrown of [new Error("secret detail"), "secret detail"]) {
    const { app, log } = echoApp({
      describeTaskset: () => {
        throw thrown;
      },
    });
    const { status, body, headers } = await get(app, "/task_info");
    assertEquals([status, body.error.code], [500, "internal_error"]);
    assertFalse(JSON.stringify(body).includes("secret detail"));
    const line = log.records().find((record) => record["msg"] === "request");
    assertEquals(line?.["request_id"], headers.get("x-request-id"));
    assertEquals(line?.["error_code"], "internal_error");
    if (thrown instanceof Error) assert(JSON.stringify(line).includes("secret detail"));
  }
  const refusing = echoApp({
    describeTaskset: () => {
      throw new SynthError("Not today", { code: "not_today", status: 409 });
    },
  });
  assertEquals((await get(refusing.app, "/task_info")).body.error.code, "not_today");
});

Deno.test("each request has a line in the log, without its query", async () => {
  const { app, log } = echoApp();
  await get(app, "/info?token=hush", { headers: { "x-api-key": KEY, "x-request-id": "theirs-1" } });
  await get(app, "/secret-in-a-path");
  const [first, second] = log.records();
  assertEquals([first?.["msg"], first?.["path"], first?.["status"]], ["request", "/info", 200]);
  assertEquals(first?.["client_request_id"], "theirs-1");
  assertEquals(second?.["path"], "(unknown)");
  assertFalse(log.lines.join().includes("hush"));
});
