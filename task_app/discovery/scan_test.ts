import { assert, assertEquals, assertRejects } from "@std/assert";
import { FakeClock } from "@synth/core";
import type { ServiceRecord } from "../records/types.ts";
import { scanTaskApps } from "./scan.ts";
import { listenInRow } from "./testing/listen_in_row.ts";

const KEY = "env-key-of-the-task-apps";

/** What an ordinary task app answers; with a key, only to those who have it. */
function taskApp(id: string, key: string | null = null): Deno.ServeHandler {
  return (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/") return Response.json({ status: "ok", service: id });
    if (key !== null && request.headers.get("x-api-key") !== key) {
      return Response.json({ error: { code: "unauthorised", message: "no" } }, { status: 401 });
    }
    if (pathname === "/health") return Response.json({ healthy: true, auth: { required: true } });
    if (pathname === "/info") {
      return Response.json({
        service: { task: { id, name: `Task ${id}`, version: "1.2" } },
        dataset: { id: "data" },
        limits: { provider_key: "hidden", access_client_secret: "hidden too" },
      });
    }
    return new Response(null, { status: 404 });
  };
}

/** A server that is no task app, and remembers which keys it was shown. */
function stranger(seen: (string | null)[], answer: () => Response): Deno.ServeHandler {
  return (request) => {
    seen.push(request.headers.get("x-api-key"));
    return answer();
  };
}

Deno.test("scanTaskApps finds task apps among strangers, and shows them no key", async () => {
  const seen: (string | null)[] = [];
  await using row = await listenInRow([
    taskApp("open"),
    taskApp("closed", KEY),
    taskApp("other", "another key"),
    stranger(seen, () => new Response("not found", { status: 404 })),
    stranger(
      seen,
      () => new Response("<html></html>", { headers: { "content-type": "text/html" } }),
    ),
    stranger(seen, () => Response.json({ error: { code: "invalid_api_key" } }, { status: 401 })),
    "hangs",
  ]);
  const clock = new FakeClock();
  const asked = new Set<string>();
  const othersAnswered = Promise.withResolvers<void>();
  const scan = scanTaskApps({
    ports: { first: row.first, last: row.first + 100 },
    apiKey: KEY,
    processes: null,
    clock,
    onProgress: (line) => {
      const port = row.ports.find((port) => line.startsWith(`http://localhost:${port}: `));
      if (port !== undefined) asked.add(String(port));
      if (asked.size === row.ports.length - 1) othersAnswered.resolve();
    },
  });
  await othersAnswered.promise;
  await clock.tick(2_000);
  const { apps, scan_summary, complete } = await scan;
  assertEquals(
    apps.filter(({ port }) => row.ports.includes(port ?? 0)).map((app) => [
      app.app_id,
      app.status,
      app.health_status,
      app.discovered_via,
    ]),
    [
      ["open", "healthy", "healthy", "port_scan"],
      ["closed", "healthy", "healthy", "port_scan"],
      ["other", "unauthorized", "unhealthy", "port_scan"],
    ],
  );
  assertEquals(complete, true);
  assert(scan_summary.other_servers >= 4);
  assert(seen.length >= 3);
  assertEquals(seen.filter((key) => key !== null), []);
  assert(!JSON.stringify(apps).includes("hidden"));
});

Deno.test("scanTaskApps sends the key to everything when it is told to", async () => {
  const seen: (string | null)[] = [];
  await using row = await listenInRow([stranger(seen, () => Response.json({}))]);
  const found = await scanTaskApps({
    ports: { first: row.first, last: row.first },
    apiKey: KEY,
    sendKey: true,
    all: true,
    processes: null,
  });
  assertEquals(found.apps.map(({ is_task_app }) => is_task_app), [false]);
  assert(seen.includes(KEY));
});

Deno.test("scanTaskApps gives one entry for a recorded app that the ports show as well", async () => {
  await using row = await listenInRow([taskApp("kept", KEY)]);
  const { apps } = await scanTaskApps({
    ports: { first: row.first, last: row.first },
    apiKey: KEY,
    processes: null,
    records: recordsOf([record({ port: row.first, url: `http://127.0.0.1:${row.first}/` })]),
  });
  assertEquals(
    apps.map(({ url, sources, discovered_via, record_id, version }) => ({
      url,
      sources,
      discovered_via,
      record_id,
      version,
    })),
    [{
      url: `http://127.0.0.1:${row.first}`,
      sources: ["service_records", "port_scan"],
      discovered_via: "service_records",
      record_id: "svc_1",
      version: "1.2",
    }],
  );
});

Deno.test("scanTaskApps lists a recorded app that does not answer", async () => {
  await using row = await listenInRow([taskApp("gone")]);
  const port = row.first;
  await row[Symbol.asyncDispose]();
  const { apps, scan_summary } = await scanTaskApps({
    ports: null,
    processes: null,
    records: recordsOf([record({ port, url: `http://127.0.0.1:${port}`, app_id: "gone" })]),
  });
  assertEquals(apps.map(({ name, status, health_status }) => [name, status, health_status]), [
    ["gone", "unreachable", "unknown"],
  ]);
  assertEquals(scan_summary.unknown, 1);
});

Deno.test("scanTaskApps asks the backend with its own key, and hides what it says of secrets", async () => {
  const headers: (string | null)[] = [];
  await using row = await listenInRow([taskApp("tunnelled", KEY), (request) => {
    const { pathname } = new URL(request.url);
    headers.push(request.headers.get("authorization"), request.headers.get("x-api-key"));
    if (pathname === "/api/v1/tunnels/") {
      return Response.json([
        { hostname: "mine.example", status: "active", local_port: 8000, tunnel_token: "eyJ..." },
        { hostname: "old.example", status: "deleted" },
        null,
        { hostname: "bad host", status: "active" },
      ]);
    }
    return Response.json([{ app_id: "tunnelled", url: `http://127.0.0.1:${row.first}` }]);
  }]);
  const asked: [string, string | null][] = [];
  const { apps, warnings } = await scanTaskApps({
    ports: null,
    processes: null,
    apiKey: KEY,
    backend: { baseUrl: `http://127.0.0.1:${row.first + 1}`, apiKey: "backend-key" },
    fetch: (input, init) => {
      const url = new URL(input instanceof Request ? input.url : input);
      if (url.hostname !== "mine.example") return fetch(input, init);
      asked.push([url.href, new Headers(init?.headers).get("x-api-key")]);
      return Promise.resolve(Response.json({ healthy: true }));
    },
  });
  assertEquals(warnings, []);
  assertEquals(headers, ["Bearer backend-key", null, "Bearer backend-key", null]);
  assertEquals(
    apps.map(({ name, discovered_via, type, status }) => [
      name,
      discovered_via,
      type,
      status,
    ]),
    [
      ["mine", "backend_api", "cloudflare", "healthy"],
      ["tunnelled", "registry", "local", "healthy"],
    ],
  );
  // A host that only the backend names is not shown the task apps' key.
  assertEquals(asked.map(([, key]) => key), [null, null]);
  assertEquals(apps[0]?.metadata["tunnel_token"], "[redacted]");
});

Deno.test("scanTaskApps reports what it did not get to before its deadline", async () => {
  await using row = await listenInRow(["hangs"]);
  const clock = new FakeClock();
  const accepted = row.accepted;
  const scan = scanTaskApps({
    ports: null,
    processes: null,
    clock,
    timeoutMs: 60_000,
    deadlineMs: 5_000,
    records: recordsOf([record({ port: row.first, url: `http://127.0.0.1:${row.first}` })]),
  });
  await accepted;
  await clock.tick(5_000);
  const { apps, complete } = await scan;
  assertEquals(complete, false);
  assertEquals(apps.map(({ status }) => status), ["unreachable"]);
});

Deno.test("scanTaskApps goes on when a source fails, and says so", async () => {
  const { apps, warnings } = await scanTaskApps({
    ports: null,
    processes: () => Promise.reject(new Error("no ps")),
    records: {
      list: () => Promise.reject(new Error("disk on fire")),
      removeStale: () => Promise.resolve([]),
    },
    backend: { baseUrl: "http://127.0.0.1:1", apiKey: "k" },
  });
  assertEquals(apps, []);
  assertEquals(warnings.length, 4);
  assert(warnings.some((line) => line.includes("disk on fire")));
});

Deno.test("scanTaskApps ends with the reason of its signal", async () => {
  const controller = new AbortController();
  await using row = await listenInRow(["hangs"]);
  const scan = scanTaskApps({
    ports: { first: row.first, last: row.first },
    processes: null,
    signal: controller.signal,
  });
  await row.accepted;
  controller.abort(new Error("enough"));
  await assertRejects(() => scan, Error, "enough");
});

function record(fields: Partial<ServiceRecord> & { url: string; port: number }): ServiceRecord {
  return {
    id: "svc_1",
    type: "local",
    created_at: "2026-11-22T00:00:00.000Z",
    local_host: "127.0.0.1",
    pid: null,
    pid_started: null,
    pid_scope: null,
    ...fields,
  } as ServiceRecord;
}

function recordsOf(records: ServiceRecord[]) {
  return { list: () => Promise.resolve(records), removeStale: () => Promise.resolve([]) };
}
