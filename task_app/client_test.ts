import { assert, assertEquals, assertFalse, assertRejects, assertThrows } from "@std/assert";
import { FakeClock, SynthError } from "@synth/core";
import { TaskAppClient, type TaskAppClientOptions } from "./client.ts";
import { taskAppHealth, validateTaskAppEndpoint } from "./endpoint_validation.ts";
import type { RolloutRequestInput } from "./contract/rollout_request.ts";
import { type Answer, echoApp, envOf, instance, KEY, rolloutBody } from "./testing/echo_app.ts";

const body = rolloutBody() as unknown as RolloutRequestInput;

/** A client, and what it asked. Waits take no time. */
function clientOf(
  answer: (request: Request) => Response | Promise<Response>,
  options: Partial<TaskAppClientOptions> = {},
): { client: TaskAppClient; asked: Request[] } {
  const asked: Request[] = [];
  const clock = new FakeClock();
  const instant = { ...clockOf(clock), sleep: () => Promise.resolve() };
  const client = new TaskAppClient({
    baseUrl: "http://app.test/",
    apiKey: KEY,
    clock: instant,
    fetch: async (input, init) => {
      const request = new Request(input, init);
      asked.push(request.clone());
      return await answer(request);
    },
    ...options,
  });
  return { client, asked };
}

function clockOf(clock: FakeClock) {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after: (ms: number, fn: () => void) => clock.after(ms, fn),
  };
}

async function failure(work: () => Promise<unknown>): Promise<SynthError> {
  return await assertRejects(work, SynthError);
}

Deno.test("TaskAppClient speaks the contract with a real task app", async () => {
  const { app } = echoApp();
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    app.fetch,
  );
  const client = new TaskAppClient({
    baseUrl: `http://127.0.0.1:${server.addr.port}/`,
    apiKey: KEY,
  });
  assertEquals((await client.health())["healthy"], true);
  assertEquals((await client.info()).service.task.id, "echo");
  assertEquals(await client.taskset(), { size: 10, scenario_ids: ["a"] });
  assertEquals((await client.taskInfo([7])).map(({ task }) => task.id), ["echo-7"]);
  assertEquals((await client.taskInfo([1, 2])).map(({ task }) => task.id), ["echo-1", "echo-2"]);
  assertEquals(await client.taskInfo([]), []);
  assertEquals((await client.rollout(body)).trace_correlation_id, "trace_run-1");
  assertEquals(await client.done(), { ok: true, service: "echo" });
  const error = await failure(() => client.taskInfo([0.5]));
  assertEquals([error.status, error.code, error.param], [422, "invalid_seed", "seed"]);
  const stranger = new TaskAppClient({ baseUrl: client.baseUrl, apiKey: "wrong" });
  const refused = await failure(() => stranger.rollout(body));
  assertEquals([refused.status, refused.code, refused.exitCode], [401, "unauthorised", 4]);
});

Deno.test("TaskAppClient sends keys, aliases and Access headers, and no header that a key could break", async () => {
  const { client, asked } = clientOf(() => Response.json({}), {
    apiKeyAliases: ["alias-1", "alias-2"],
    access: { clientId: "id", clientSecret: "secret" },
  });
  await client.health();
  const { headers } = asked[0] as Request;
  assertEquals(headers.get("x-api-key"), KEY);
  assertEquals(headers.get("authorization"), `Bearer ${KEY}`);
  assertEquals(headers.get("x-api-keys"), `${KEY},alias-1,alias-2`);
  assertEquals(headers.get("cf-access-client-id"), "id");
  assertEquals(headers.get("cf-access-client-secret"), "secret");
  const error = assertThrows(
    () => new TaskAppClient({ baseUrl: "http://app.test", apiKey: "hush\nhush" }),
    SynthError,
  );
  assertEquals(error.code, "invalid_credentials");
  assertFalse(error.message.includes("hush"));
});

Deno.test("TaskAppClient tries reads again, and gives up with the last answer", async () => {
  let calls = 0;
  const flaky = clientOf(() => {
    if (++calls === 1) throw new TypeError("reset");
    return calls < 4 ? new Response("", { status: 500 + calls }) : Response.json({ ok: 1 });
  });
  assertEquals(await flaky.client.health(), { ok: 1 });
  assertEquals(calls, 4);
  const down = clientOf(() => new Response("", { status: 500 }), { retries: 2 });
  assertEquals((await failure(() => down.client.info())).status, 500);
  assertEquals(down.asked.length, 3);
});

Deno.test("TaskAppClient sends a rollout again only when it certainly did not run", async () => {
  const refusal = (status: number, headers: HeadersInit = {}) => () =>
    Response.json({ error: { code: "x", message: "m" } }, { status, headers });
  const retry = { "x-should-retry": "true" };
  const reset = () => Promise.reject(new TypeError("connection reset by peer"));
  const refusedConnection = () =>
    Promise.reject(
      new TypeError("error sending request", { cause: new Error("tcp: Connection refused") }),
    );
  const table: [() => Response | Promise<Response>, number][] = [
    [refusal(429, retry), 4],
    [refusal(503, retry), 4],
    [refusedConnection, 4],
    [refusal(429), 1],
    [refusal(503), 1],
    [refusal(500, retry), 1],
    [refusal(502), 1],
    [refusal(504), 1],
    [refusal(524), 1],
    [reset, 1],
  ];
  for (const [answer, times] of table) {
    const { client, asked } = clientOf(answer);
    await failure(() => client.rollout(body));
    assertEquals(asked.length, times);
  }
  for (const answer of [refusal(524), reset]) {
    const { client, asked } = clientOf(answer, { retryRollouts: true });
    await failure(() => client.rollout(body));
    assertEquals(asked.length, 4);
    assertEquals(await asked[3]?.json(), body);
  }
});

Deno.test("TaskAppClient turns refusals of both shapes into one error, without secrets", async () => {
  const secret = "sk-abcdefghijklmnopqrstuvwxyz";
  const shapes = [
    { error: { code: "too_big", message: `no ${secret}`, param: "env" } },
    { detail: { error: { code: "too_big", message: `no ${secret}`, param: "env" } } },
  ];
  for (const shape of shapes) {
    const { client } = clientOf(() => Response.json(shape, { status: 422 }));
    const error = await failure(() => client.rollout(body));
    assertEquals([error.status, error.code, error.param], [422, "too_big", "env"]);
    assertFalse(error.message.includes(secret));
  }
  const odd: [Response, string, number][] = [
    [new Response("<html>", { status: 404 }), "task_app_error", 404],
    [Response.json({ detail: "Not Found" }, { status: 404 }), "task_app_error", 404],
    [Response.json({ error: { code: "Bad Code\n" } }, { status: 400 }), "task_app_error", 400],
    [Response.redirect("http://evil.test/", 302), "task_app_error", 502],
    [new Response("not json"), "invalid_task_app_answer", 502],
    [Response.json([]), "invalid_task_app_answer", 502],
    [Response.json({ run_id: "r", metrics: {} }), "invalid_task_app_answer", 502],
  ];
  for (const [response, code, status] of odd) {
    const { client, asked } = clientOf(() => response);
    const error = await failure(() => client.rollout(body));
    assertEquals([error.code, error.status, asked.length], [code, status, 1]);
  }
  const large = clientOf(() => new Response("x".repeat(100)), { maxBytes: 10 });
  assertEquals((await failure(() => large.client.health())).code, "body_too_large");
});

Deno.test("TaskAppClient calls environments, their names escaped", async () => {
  const { client, asked } = clientOf(() => Response.json({ obs: 1 }));
  assertEquals(await client.env.step("grid/../x", { a: 1 }), { obs: 1 });
  await client.env.initialize("grid", {});
  await client.env.terminate("grid", {});
  assertEquals(asked.map(({ url }) => new URL(url).pathname), [
    "/env/grid%2F..%2Fx/step",
    "/env/grid/initialize",
    "/env/grid/terminate",
  ]);
});

Deno.test("TaskAppClient ends with its signal", async () => {
  const controller = new AbortController();
  const { client } = clientOf(() => {
    controller.abort(new Error("enough"));
    return new Promise((_, reject) => reject(controller.signal.reason));
  });
  await assertRejects(() => client.rollout(body, { signal: controller.signal }), Error, "enough");
});

Deno.test("validateTaskAppEndpoint asks all that a trainer will", async () => {
  const { app } = echoApp({
    provideTaskInstances: (seeds) => {
      if (seeds.includes(3)) throw new SynthError("none", { code: "no_instance", status: 404 });
      return seeds.map((seed) => instance(`echo-${seed}`));
    },
  });
  const fetchApp: typeof globalThis.fetch = async (input, init) =>
    await app.fetch(new Request(input, init));
  const options = { apiKey: KEY, fetch: fetchApp, minInstances: 5 };
  const names: string[] = [];
  const good = await validateTaskAppEndpoint("http://app.test/", {
    ...options,
    onCheck: (name) => names.push(name),
  });
  assertEquals(names, ["root", "health", "info", "task_info", "task_instances"]);
  assertEquals([good.overall, good.auth.required, good.url], [true, true, "http://app.test"]);
  assertEquals([good.task_instances.found, good.task_instances.requested], [5, 6]);
  const wrong = await validateTaskAppEndpoint("http://app.test", { ...options, apiKey: "wrong" });
  assertEquals([wrong.overall, wrong.endpoints.root.ok, wrong.auth.error], [
    false,
    true,
    "unauthorised",
  ]);
  assertEquals([wrong.task_instances.found, wrong.task_instances.requested], [0, 10]);
  const open = echoApp({ requireApiKey: false }, { env: envOf({}) }).app;
  const opened = await validateTaskAppEndpoint("http://app.test", {
    fetch: async (input, init) => await open.fetch(new Request(input, init)),
  });
  assertEquals([opened.overall, opened.auth.required], [true, false]);
});

Deno.test("taskAppHealth takes GET where HEAD is refused", async () => {
  const answers = (head: number, get: number): { fetch: typeof globalThis.fetch } => ({
    fetch: (_, init) =>
      Promise.resolve(new Response(null, { status: init?.method === "HEAD" ? head : get })),
  });
  assertEquals(await taskAppHealth("http://a", answers(200, 500)), { ok: true, status: 200 });
  assertEquals(await taskAppHealth("http://a", answers(405, 302)), { ok: true, status: 302 });
  assertEquals(await taskAppHealth("http://a", answers(500, 404)), {
    ok: false,
    error: "HTTP 404",
  });
  const gone = await taskAppHealth("http://a", { fetch: () => Promise.reject(new Error("gone")) });
  assertEquals(gone, { ok: false, error: "gone" });
  const answer: Answer = await taskAppHealth("nonsense");
  assert(!answer.ok);
});
