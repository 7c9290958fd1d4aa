import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { type Clock, FakeClock, SynthError } from "@synth/core";
import { echoConfig, keptLog, KEY, keyed, listens } from "../testing/doubles.ts";
import { resolveBackendBase } from "./backend_base.ts";
import { jobRequest } from "./job_payload.ts";
import { mergeDotOverrides } from "./merge_dot_overrides.ts";
import { type InProcessJobOptions, runInProcessJob } from "./run_in_process_job.ts";

const BACKEND_KEY = "key-of-the-backend";

const PROMPT_LEARNING = `
[prompt_learning]
algorithm = "gepa"
task_app_url = "https://replaced.invalid"

[prompt_learning.gepa.rollout]
budget = 100
`;

const RL = `
[algorithm]
type = "online"
method = "gspo"
[model]
base = "Qwen/Qwen3-4B"
[compute]
gpu_type = "H100"
[smoke]
iterations = 1
`;

/** What the backend was sent. */
interface Call {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
  /** Whether the task app answered when the call came. */
  readonly appAnswers: boolean;
}

/** A backend on this machine, which answers in turn. */
async function backend(
  answers: ((call: Call) => Response)[],
): Promise<AsyncDisposable & { readonly url: string; readonly calls: Call[] }> {
  const calls: Call[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const text = await request.text();
      const call: Call = {
        method: request.method,
        path: new URL(request.url).pathname,
        headers: request.headers,
        body: text === "" ? {} : JSON.parse(text),
        appAnswers: appPort !== 0 && await listens(appPort),
      };
      calls.push(call);
      const answer = answers[Math.min(calls.length, answers.length) - 1];
      return answer?.(call) ?? new Response("", { status: 500 });
    },
  );
  await Promise.resolve();
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    calls,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

let appPort = 0;

async function run(
  toml: string,
  more: Partial<InProcessJobOptions> & Pick<InProcessJobOptions, "jobType">,
): ReturnType<typeof runInProcessJob> {
  const configPath = await Deno.makeTempFile({ suffix: ".toml" });
  await Deno.writeTextFile(configPath, toml);
  try {
    return await runInProcessJob({
      configPath,
      config: echoConfig(),
      apiKey: BACKEND_KEY,
      taskAppApiKey: KEY,
      tunnelMode: "local",
      port: 0,
      records: false,
      handleSignals: false,
      env: () => undefined,
      log: keptLog().log,
      clock: fast(),
      onStart: (app) => void (appPort = app.port),
      ...more,
    });
  } finally {
    await Deno.remove(configPath);
  }
}

Deno.test("runInProcessJob submits a prompt-learning job for its app and waits for the end", async () => {
  await using server = await backend([
    () => Response.json({ job_id: "pl_1", status: "queued" }, { status: 201 }),
    () => Response.json({ status: "running", progress: { completed: 1, total: 2 } }),
    () => new Response("", { status: 503 }),
    () => Response.json({ status: "Succeeded", metrics: { best: 0.9 } }),
  ]);
  const seen: string[] = [];
  const result = await run(PROMPT_LEARNING, {
    jobType: "prompt_learning",
    backendUrl: server.url,
    overrides: { "prompt_learning.gepa.rollout.budget": 5, "prompt_learning.seed": 1 },
    onStatus: ({ status }) => void seen.push(status),
  });
  const [submitted, ...polls] = server.calls;
  assertEquals([submitted?.method, submitted?.path], [
    "POST",
    "/api/prompt-learning/online/jobs",
  ]);
  assertEquals(submitted?.headers.get("authorization"), `Bearer ${BACKEND_KEY}`);
  assert(submitted?.headers.get("idempotency-key")?.startsWith("idem_"));
  const url = `http://127.0.0.1:${appPort}`;
  const overrides = submitted?.body["overrides"] as Record<string, unknown>;
  assertEquals(submitted?.body, {
    algorithm: "gepa",
    config_body: {
      prompt_learning: {
        algorithm: "gepa",
        task_app_url: url,
        task_app_api_key: KEY,
        seed: 1,
        gepa: { rollout: { budget: 5 } },
      },
    },
    overrides,
    metadata: {},
    auto_start: true,
  });
  assertEquals([overrides["task_url"], overrides["task_app_api_key"]], [url, KEY]);
  assertEquals([
    overrides["prompt_learning.task_app_url"],
    overrides["prompt_learning.task_app_api_key"],
  ], [url, KEY]);
  assertEquals(new Set(polls.map(({ path }) => path)).size, 1);
  assertEquals(polls[0]?.path, "/api/prompt-learning/online/jobs/pl_1");
  assert(server.calls.every(({ appAnswers }) => appAnswers));
  assertEquals(seen, ["running", "succeeded"]);
  assertEquals([result.jobId, result.status, result.taskAppUrl, result.backendUrl], [
    "pl_1",
    "succeeded",
    url,
    `${server.url}/api`,
  ]);
  assertEquals(result.taskAppHealth.status, "healthy");
  assertEquals(result.job["metrics"], { best: 0.9 });
  assertEquals(await listens(appPort), false);
});

Deno.test("runInProcessJob has the backend look at the app before an RL job, and need not wait", async () => {
  await using server = await backend([
    () => Response.json({ any_ok: true }),
    () => Response.json({ id: "rl_1" }),
  ]);
  const result = await run(RL, {
    jobType: "rl",
    backendUrl: `${server.url}/api/`,
    poll: false,
    idempotencyKey: "once",
  });
  const [verify, submit] = server.calls;
  const url = `http://127.0.0.1:${appPort}`;
  assertEquals([verify?.path, verify?.body], [
    "/api/rl/verify_task_app",
    { endpoint_base_url: url },
  ]);
  assertEquals([submit?.path, submit?.headers.get("idempotency-key")], ["/api/rl/jobs", "once"]);
  assertEquals(submit?.body, {
    job_type: "rl",
    compute: { gpu_type: "H100" },
    data: {
      endpoint_base_url: url,
      base_model: "Qwen/Qwen3-4B",
      config: {
        algorithm: { type: "online", method: "gspo" },
        model: { base: "Qwen/Qwen3-4B" },
        compute: { gpu_type: "H100" },
        services: { task_url: url },
        reference: { placement: "none" },
      },
    },
    tags: { source: "in-process" },
    metadata: {},
  });
  assertEquals([result.jobId, result.status], ["rl_1", "submitted"]);
});

Deno.test("runInProcessJob returns a job that failed, and stops the app whatever happens", async () => {
  await using failing = await backend([
    () => Response.json({ job_id: "pl_2" }),
    () => Response.json({ state: "failed", error: "no budget" }),
  ]);
  const result = await run(PROMPT_LEARNING, {
    jobType: "prompt_learning",
    backendUrl: failing.url,
  });
  assertEquals([result.status, result.job["error"]], ["failed", "no budget"]);
  const cases: [((call: Call) => Response)[], string, number][] = [
    [[() => Response.json({ error: "who?" }, { status: 401 })], "backend_error", 4],
    [[() => Response.json({})], "backend_error", 1],
    [[() => Response.json({ job_id: "x" }), () => Response.json({})], "job_timeout", 75],
    [
      [() => Response.json({ job_id: "x" }), () => new Response("", { status: 404 })],
      "backend_error",
      3,
    ],
  ];
  for (const [answers, code, exitCode] of cases) {
    await using server = await backend(answers);
    const error = await assertRejects(
      () => run(PROMPT_LEARNING, { jobType: "prompt_learning", backendUrl: server.url }),
      SynthError,
    );
    assertEquals([error.code, error.exitCode], [code, exitCode]);
    assertEquals(error.message.includes(BACKEND_KEY), false);
    // A job that may be billed is asked for once.
    assertEquals(server.calls.filter(({ method }) => method === "POST").length, 1);
    assertEquals(await listens(appPort), false);
  }
});

Deno.test("runInProcessJob starts nothing when it cannot run the job", async () => {
  const start = () => assert(false, "nothing starts");
  const cases: [string, Partial<InProcessJobOptions>, string][] = [
    [PROMPT_LEARNING, { apiKey: "" }, "synth_api_key_missing"],
    [PROMPT_LEARNING, { backendUrl: "ftp://x" }, "invalid_backend_url"],
    [PROMPT_LEARNING, { configPath: "none.toml" }, "job_config_not_found"],
    ["a = [", {}, "job_config_invalid"],
    ["[rl]", {}, "job_config_invalid"],
    ["[prompt_learning]", {}, "job_config_invalid"],
    [PROMPT_LEARNING, { overrides: { "a.__proto__.b": 1 } }, "invalid_override"],
  ];
  for (const [toml, more, code] of cases) {
    const error = await assertRejects(
      () => run(toml, { jobType: "prompt_learning", onStart: start, ...more }),
      SynthError,
    );
    assertEquals(error.code, code);
  }
  const both = () => jobRequest("rl", { model: {} }, {}, { url: "http://a", apiKey: null });
  assertStringIncludes(assertThrows(both, SynthError).message, "exactly one of base and source");
});

Deno.test("runInProcessJob submits nothing for an app that is not well", async () => {
  // Well for its own start, and not when it is asked before the job.
  let asked = 0;
  await using server = await backend([]);
  const error = await assertRejects(
    () =>
      run(PROMPT_LEARNING, {
        jobType: "prompt_learning",
        backendUrl: server.url,
        configFactory: () =>
          echoConfig({
            middleware: [(context, next) =>
              context.req.path === "/health" && asked++ > 0
                ? Promise.resolve(context.json({ healthy: false, status: "unhealthy" }))
                : next()],
          }),
        config: undefined as never,
      }),
    SynthError,
  );
  assertEquals([error.code, error.exitCode], ["task_app_unhealthy", 6]);
  assertEquals(server.calls, []);
});

Deno.test("resolveBackendBase goes by the order, and ends in /api once", () => {
  const names = [
    "TARGET_BACKEND_BASE_URL",
    "BACKEND_OVERRIDE",
    "SYNTH_BACKEND_URL",
    "BACKEND_BASE_URL",
    "NEXT_PUBLIC_API_URL",
  ];
  const env = new Map(names.map((name, n) => [name, `https://h${n}.example`]));
  const get = (name: string) => env.get(name);
  assertEquals(resolveBackendBase("https://given.example/api/", get), "https://given.example/api");
  for (const [n, name] of names.entries()) {
    assertEquals(resolveBackendBase(undefined, get), `https://h${n}.example/api`);
    env.set(name, " ");
  }
  assertEquals(resolveBackendBase(undefined, get), "http://127.0.0.1:8787/api");
  assertEquals(resolveBackendBase("https://a.example/x/", get), "https://a.example/x/api");
});

Deno.test("mergeDotOverrides makes tables, merges tables, and leaves its input as it was", () => {
  const base = { a: { b: 1, c: [1] }, d: 2 };
  const merged = mergeDotOverrides(base, { "a.b": 3, "a.e.f": 4, a: { g: 5 }, "d.h": 6 });
  assertEquals(merged, { a: { b: 3, c: [1], e: { f: 4 }, g: 5 }, d: { h: 6 } });
  assertEquals(base, { a: { b: 1, c: [1] }, d: 2 });
  for (const name of ["", "a..b", "__proto__.x", "a.constructor"]) {
    assertThrows(() => mergeDotOverrides({}, { [name]: 1 }), SynthError);
  }
  assertEquals(Reflect.get({}, "x"), undefined);
});

Deno.test("InProcessTaskApp takes the handler of a job as well as its configuration", async () => {
  await using server = await backend([() => Response.json({ job_id: "pl_3" })]);
  const result = await run(PROMPT_LEARNING, {
    jobType: "prompt_learning",
    backendUrl: server.url,
    poll: false,
    app: keyed,
    config: undefined as never,
  });
  assertEquals(result.status, "submitted");
});

/** A clock on which waits are over at once. */
function fast(): Clock {
  const clock = new FakeClock();
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after: (ms, fn) => clock.after(ms, fn),
    sleep: (ms) => clock.tick(ms),
  };
}
