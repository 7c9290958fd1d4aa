import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { FakeClock, SynthError } from "@synth/core";
import { Hono } from "hono";
import { ServiceRecords } from "../records/service_records.ts";
import { InProcessTaskApp } from "./in_process_task_app.ts";
import type { InProcessTaskAppOptions } from "./options.ts";
import { echoConfig, keptLog, KEY, keyed, listens, TunnelDouble } from "./testing/doubles.ts";

/** Options of an app that touches nothing but its port. */
function options(more: Partial<InProcessTaskAppOptions> = {}): InProcessTaskAppOptions {
  return {
    port: 0,
    tunnelMode: "local",
    apiKey: KEY,
    records: false,
    handleSignals: false,
    env: () => undefined,
    log: keptLog().log,
    ...("config" in more || "configFactory" in more || "taskAppPath" in more ? {} : { app: keyed }),
    ...more,
  };
}

Deno.test("InProcessTaskApp refuses options that cannot work, each by its name", () => {
  const cases: [InProcessTaskAppOptions, string][] = [
    [{}, "exactly one"],
    [{ app: keyed, config: echoConfig() }, "exactly one"],
    [{ app: keyed, port: 1023 }, "Port must be in range"],
    [{ app: keyed, port: 65536 }, "Port must be in range"],
    [{ app: keyed, port: 8000.5 }, "Port must be in range"],
    [{ app: keyed, host: "192.168.1.1" }, "Host must be"],
    [{ app: keyed, tunnelMode: "ssh" as "local" }, "tunnel_mode must be"],
    [{ app: keyed, apiKey: "two words" }, "key"],
    [{ app: keyed, preconfiguredUrl: "ftp://a" }, "https://"],
    [{ app: keyed, preconfiguredAuthHeader: "X-A" }, "go together"],
    [{ app: keyed, preconfiguredAuthHeader: "X A", preconfiguredAuthToken: "t" }, "header"],
    [{ app: keyed, healthCheckTimeoutMs: 0 }, "healthCheckTimeoutMs"],
  ];
  for (const [given, phrase] of cases) {
    const error = assertThrows(() => new InProcessTaskApp(given), SynthError);
    assertStringIncludes(error.message, phrase);
    assertEquals(error.exitCode, 2);
  }
});

Deno.test("InProcessTaskApp keeps what it was given, and has no url before it starts", () => {
  const app = new InProcessTaskApp({ app: keyed, apiKey: KEY, tunnelMode: "named" });
  assertEquals([app.port, app.host, app.tunnelMode, app.url, app.apiKey], [
    8114,
    "127.0.0.1",
    "managed",
    null,
    KEY,
  ]);
});

Deno.test("InProcessTaskApp serves a handler, a Hono app, a configuration, a factory and a file", async () => {
  const hono = new Hono().get("*", (context) => context.json({ healthy: true }));
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, "export default (r: Request) => Response.json({ at: r.url });\n");
  const sources: Partial<InProcessTaskAppOptions>[] = [
    { app: keyed },
    { app: hono },
    { config: echoConfig() },
    { configFactory: () => Promise.resolve(echoConfig()) },
    { taskAppPath: file },
  ];
  for (const source of sources) {
    await using app = await InProcessTaskApp.start(options(source));
    assertEquals(app.url, `http://127.0.0.1:${app.port}`);
    const response = await fetch(`${app.url}/health`, { headers: { "x-api-key": KEY } });
    assertEquals(response.status, 200, JSON.stringify(Object.keys(source)));
    await response.body?.cancel();
  }
  await Deno.remove(file);
});

Deno.test("InProcessTaskApp gives the server of a configuration the key that callers need", async () => {
  await using app = await InProcessTaskApp.start(options({ config: echoConfig() }));
  const wrong = await fetch(`${app.url}/info`, { headers: { "x-api-key": "another" } });
  assertEquals(wrong.status, 401);
  await wrong.body?.cancel();
  const right = await fetch(`${app.url}/info`, { headers: { "x-api-key": KEY } });
  assertEquals(right.status, 200);
  await right.body?.cancel();
});

Deno.test("InProcessTaskApp runs the hooks of a configuration once, also when the start fails behind them", async () => {
  const calls: string[] = [];
  const config = echoConfig({
    startupHooks: [() => void calls.push("up")],
    shutdownHooks: [() => void calls.push("down")],
  });
  await (await InProcessTaskApp.start(options({ config }))).stop();
  assertEquals(calls, ["up", "down"]);
  const tunnels = new TunnelDouble();
  tunnels.before = () => Promise.reject(new Error("no tunnel"));
  await assertRejects(() =>
    InProcessTaskApp.start(options({ config, tunnelMode: "quick", tunnels }))
  );
  assertEquals(calls, ["up", "down", "up", "down"]);
});

Deno.test("InProcessTaskApp opens a tunnel to its port and closes it once", async () => {
  const tunnels = new TunnelDouble();
  const app = await InProcessTaskApp.start(options({ tunnelMode: "quick", tunnels }));
  assertEquals(app.url, "https://a-b-c.trycloudflare.com");
  const [request] = tunnels.requests;
  assertEquals([request?.mode, request?.host, request?.port, request?.apiKey, request?.verify], [
    "quick",
    "127.0.0.1",
    app.port,
    KEY,
    true,
  ]);
  assertEquals(app.accessHeaders(), { "CF-Access-Client-Id": "id" });
  await Promise.all([app.stop(), app.stop()]);
  await app.stop();
  assertEquals([tunnels.closed, app.url, app.running], [1, null, false]);
});

Deno.test("InProcessTaskApp closes everything once when the block throws", async () => {
  const tunnels = new TunnelDouble();
  let port = 0;
  await assertRejects(async () => {
    await using app = await InProcessTaskApp.start(options({ tunnelMode: "quick", tunnels }));
    port = app.port;
    throw new Error("in the block");
  }, "in the block");
  assertEquals([tunnels.closed, await listens(port)], [1, false]);
});

Deno.test("InProcessTaskApp starts again after it was stopped", async () => {
  const app = new InProcessTaskApp(options({ config: echoConfig() }));
  for (let round = 0; round < 2; round++) {
    await Promise.all([app.start(), app.start()]);
    const response = await fetch(`${app.url}/health`, { headers: { "x-api-key": KEY } });
    assertEquals(response.status, 200);
    await response.body?.cancel();
    await app.stop();
  }
});

Deno.test("InProcessTaskApp takes the next port when its own is in use, and touches nobody", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  await using app = await InProcessTaskApp.start(options({ port }));
  assert(app.port > port);
  assertEquals(await listens(port), true);
});

Deno.test("InProcessTaskApp says that its port is in use when it may not take another", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  const error = await assertRejects(
    () => InProcessTaskApp.start(options({ port, autoFindPort: false })),
    SynthError,
  );
  assertEquals([error.code, error.exitCode], ["port_in_use", 69]);
});

Deno.test("InProcessTaskApp follows the port of a managed tunnel, and fails when that is in use", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const tunnels = new TunnelDouble();
  const free = freePort();
  tunnels.fixed = { host: "localhost", port: free, hostname: "a.usesynth.ai" };
  await using app = await InProcessTaskApp.start(options({ tunnelMode: "managed", tunnels }));
  assertEquals([app.port, tunnels.requests[0]?.port], [free, free]);
  tunnels.fixed = { ...tunnels.fixed, port: taken.addr.port };
  const inUse = await assertRejects(
    () => InProcessTaskApp.start(options({ tunnelMode: "managed", tunnels })),
    SynthError,
  );
  assertEquals(inUse.code, "port_in_use");
  tunnels.fixed = { ...tunnels.fixed, host: "10.0.0.1" };
  const elsewhere = await assertRejects(
    () => InProcessTaskApp.start(options({ tunnelMode: "managed", tunnels })),
    SynthError,
  );
  assertEquals(elsewhere.code, "tunnel_address_refused");
});

Deno.test("InProcessTaskApp takes mode and URL from the environment", async () => {
  const env = (values: Record<string, string>) => (name: string) => values[name];
  await using local = await InProcessTaskApp.start(
    options({ tunnelMode: "quick", env: env({ SYNTH_TUNNEL_MODE: "local" }) }),
  );
  assertEquals(local.tunnelMode, "local");
  await using behind = await InProcessTaskApp.start(options({
    tunnelMode: "quick",
    env: env({ SYNTH_TASK_APP_URL: `${local.url}/` }),
  }));
  assertEquals([behind.tunnelMode, behind.url], ["preconfigured", local.url]);
  const error = await assertRejects(
    () => InProcessTaskApp.start(options({ env: env({ SYNTH_TUNNEL_MODE: "ssh" }) })),
    SynthError,
  );
  assertStringIncludes(error.message, "tunnel_mode must be");
  assertStringIncludes(error.message, "SYNTH_TUNNEL_MODE");
});

Deno.test("InProcessTaskApp checks a preconfigured URL with its own header, unless told not to", async () => {
  const seen: (string | null)[] = [];
  await using proxy = await InProcessTaskApp.start(options({
    app: (request) => {
      seen.push(request.headers.get("x-access"));
      return keyed(request);
    },
  }));
  await using app = await InProcessTaskApp.start(options({
    tunnelMode: "preconfigured",
    preconfiguredUrl: `${proxy.url}/`,
    preconfiguredAuthHeader: "X-Access",
    preconfiguredAuthToken: "Bearer token",
  }));
  assertEquals(seen.at(-1), "Bearer token");
  assertEquals(app.accessHeaders(), { "X-Access": "Bearer token" });
  await using unchecked = await InProcessTaskApp.start(options({
    tunnelMode: "preconfigured",
    preconfiguredUrl: "https://unreachable.invalid",
    skipTunnelVerification: true,
  }));
  assertEquals(unchecked.url, "https://unreachable.invalid");
  const missing = await assertRejects(
    () => InProcessTaskApp.start(options({ tunnelMode: "preconfigured" })),
    SynthError,
  );
  assertEquals(missing.code, "preconfigured_url_missing");
});

Deno.test("InProcessTaskApp wants a key: none is made up unless that is asked for", async () => {
  const { apiKey: _, ...without } = options({ app: () => new Response() });
  const env = (name: string) => name === "SYNTH_HOME" ? "unused" : undefined;
  const error = await assertRejects(() => InProcessTaskApp.start({ ...without, env }), SynthError);
  assertEquals([error.code, error.exitCode], ["environment_api_key_missing", 4]);
  await using made = await InProcessTaskApp.start({ ...without, env, generateApiKey: true });
  assert(/^env_[0-9a-v]{32}$/.test(made.apiKey ?? ""));
  await using set = await InProcessTaskApp.start({
    ...without,
    env: (name) => name === "DEV_ENVIRONMENT_API_KEY" ? "dev-key" : undefined,
  });
  assertEquals(set.apiKey, "dev-key");
  await using open = await InProcessTaskApp.start({ ...without, apiKey: null });
  assertEquals(open.apiKey, null);
});

Deno.test("InProcessTaskApp is not up when its app refuses its key", async () => {
  for (const status of [400, 401, 403]) {
    const error = await assertRejects(
      () => InProcessTaskApp.start(options({ app: () => new Response("", { status }) })),
      SynthError,
    );
    assertEquals([error.code, error.exitCode], ["health_check_unauthorized", 4]);
    assertStringIncludes(error.message, "Health check failed");
    assertEquals(error.message.includes(KEY), false);
  }
});

Deno.test("InProcessTaskApp logs what callbacks throw and goes on", async () => {
  const { log, lines } = keptLog();
  const urls: (string | null)[] = [];
  const app = await InProcessTaskApp.start(options({
    log,
    onStart: async (app) => {
      await Promise.resolve();
      urls.push(app.url);
      throw new Error("in onStart");
    },
    onStop: () => Promise.reject(new Error("in onStop")),
  }));
  assertEquals(urls, [app.url]);
  await app.stop();
  const said = lines.map(({ msg }) => msg);
  assert(said.includes("onStart failed") && said.includes("onStop failed"));
  const steps = lines.map(({ step }) => step).filter((step) => step !== undefined);
  assertEquals(steps, [
    "plan",
    "key",
    "load",
    "listen",
    "start hooks",
    "health",
    "record",
    "reach",
    "on start",
  ]);
});

Deno.test("InProcessTaskApp leaves nothing behind, whichever step fails", async () => {
  const failing = () => Promise.reject(new Error("this step"));
  const bad = new TunnelDouble();
  bad.before = failing;
  const cases: [string, Partial<InProcessTaskAppOptions>][] = [
    ["plan", { env: (name) => name === "SYNTH_TUNNEL_MODE" ? "no" : undefined }],
    ["key", { env: (name) => name === "ENVIRONMENT_API_KEY" ? "a b" : undefined }],
    ["load", { configFactory: failing }],
    ["start hooks", { config: echoConfig({ startupHooks: [failing] }) }],
    ["health", { app: () => new Response("", { status: 401 }) }],
    ["reach", { tunnelMode: "quick", tunnels: bad }],
  ];
  for (const [step, more] of cases) {
    const home = await Deno.makeTempDir();
    const records = new ServiceRecords({ home });
    const { log, lines } = keptLog();
    const port = freePort();
    const given = options({
      ...more,
      log,
      records,
      port,
      autoFindPort: false,
      handleSignals: true,
    });
    const { apiKey: _, ...keyless } = given;
    const app = new InProcessTaskApp(step === "key" ? keyless : given);
    await assertRejects(() => app.start());
    const failed = lines.filter(({ msg }) => msg === "task app: step failed").map((l) => l["step"]);
    assertEquals(failed, [step]);
    assertEquals([await listens(port), await records.list(), app.url], [false, [], null]);
    await Deno.remove(home, { recursive: true });
  }
});

Deno.test("InProcessTaskApp records itself while it runs, and serves when it cannot", async () => {
  const home = await Deno.makeTempDir();
  const records = new ServiceRecords({ home });
  const app = await InProcessTaskApp.start(options({ config: echoConfig(), records }));
  const [record] = await records.list();
  assertEquals([record?.type, record?.port, record?.app_id, record?.pid], [
    "local",
    app.port,
    "echo",
    Deno.pid,
  ]);
  await app.stop();
  assertEquals(await records.list(), []);
  const { log, lines } = keptLog();
  const full = new ServiceRecords({ home, replace: () => Promise.reject(new Error("disk full")) });
  await using still = await InProcessTaskApp.start(options({ records: full, log }));
  assertEquals(still.running, true);
  assertStringIncludes(JSON.stringify(lines), "disk full");
  await Deno.remove(home, { recursive: true });
});

Deno.test("InProcessTaskApp.stop ends a start, and closes a tunnel that opens too late", async () => {
  const tunnels = new TunnelDouble();
  const opening = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  tunnels.before = () => {
    opening.resolve();
    return gate.promise;
  };
  const port = freePort();
  const app = new InProcessTaskApp(options({ tunnelMode: "quick", tunnels, port }));
  const starting = assertRejects(() => app.start(), SynthError);
  await opening.promise;
  const stopping = app.stop();
  gate.resolve();
  await stopping;
  assertEquals((await starting).code, "start_aborted");
  assertEquals([tunnels.closed, await listens(port)], [1, false]);
});

Deno.test("InProcessTaskApp has one deadline for all its steps", async () => {
  const clock = new FakeClock();
  const loading = Promise.withResolvers<void>();
  const app = new InProcessTaskApp(options({
    clock,
    startTimeoutMs: 1000,
    configFactory: () => {
      loading.resolve();
      return new Promise(() => {});
    },
  }));
  const starting = assertRejects(() => app.start(), SynthError);
  await loading.promise;
  await clock.tick(1000);
  assertEquals((await starting).code, "start_timeout");
  assertEquals(clock.pending, 0);
});

Deno.test("InProcessTaskApp obeys a signal while it starts and while it runs", async () => {
  const before = new AbortController();
  before.abort(new Error("changed my mind"));
  await assertRejects(
    () => InProcessTaskApp.start(options({ signal: before.signal })),
    Error,
    "changed my mind",
  );
  const stopped = Promise.withResolvers<void>();
  const later = new AbortController();
  const app = await InProcessTaskApp.start(
    options({ signal: later.signal, onStop: () => stopped.resolve() }),
  );
  later.abort();
  await stopped.promise;
  await app.stop();
  assertEquals([app.running, await listens(app.port)], [false, false]);
});

Deno.test("InProcessTaskApp waits for open requests, and no longer than the stop may take", async () => {
  const entered = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<Response>();
  const slow = (request: Request) => {
    if (request.url.endsWith("/health")) return new Response();
    entered.resolve();
    return gate.promise;
  };
  const patient = await InProcessTaskApp.start(options({ app: slow }));
  const answer = fetch(`${patient.url}/slow`);
  await entered.promise;
  const stopping = patient.stop();
  gate.resolve(new Response("done"));
  assertEquals(await (await answer).text(), "done");
  await stopping;
  const clock = new FakeClock();
  const inside = Promise.withResolvers<void>();
  const hanging = await InProcessTaskApp.start(options({
    clock,
    app: (request) => {
      if (request.url.endsWith("/health")) return new Response();
      inside.resolve();
      return new Promise(() => {});
    },
  }));
  const cut = fetch(`${hanging.url}/hang`).then((response) => response.text());
  await inside.promise;
  const ended = hanging.stop();
  await clock.tick(5000);
  await ended;
  assertStringIncludes(await cut, "task_app_stopping");
});

Deno.test("InProcessTaskApp tells when its tunnel ends by itself", async () => {
  const tunnels = new TunnelDouble();
  const told = Promise.withResolvers<string>();
  await using app = await InProcessTaskApp.start(options({
    tunnelMode: "quick",
    tunnels,
    onTunnelExit: ({ reason }) => told.resolve(reason),
  }));
  tunnels.exits[0]?.resolve({ code: 1, reason: "it crashed" });
  assertEquals(await told.promise, "it crashed");
  assertEquals(app.running, true);
});

Deno.test("InProcessTaskApp logs no key and shows nobody what a handler threw", async () => {
  const { log, lines } = keptLog();
  await using app = await InProcessTaskApp.start(options({
    log,
    app: (request) => {
      if (request.url.endsWith("/health")) return new Response();
      throw new Error("the database is at 10.0.0.7");
    },
  }));
  const response = await fetch(`${app.url}/boom`);
  assertEquals([response.status, (await response.text()).includes("10.0.0.7")], [500, false]);
  const text = JSON.stringify(lines);
  assertStringIncludes(text, "10.0.0.7");
  assertEquals(text.includes(KEY), false);
});

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
