/** What a scan tells to, and believes of, those who mean no good or are not there any more. */
import { assert, assertEquals } from "@std/assert";
import { FakeClock } from "@synth/core";
import type { ProcessState } from "../records/process_identity.ts";
import type { ServiceRecord } from "../records/types.ts";
import { scanTaskApps } from "./scan.ts";
import { listenInRow } from "./testing/listen_in_row.ts";

const KEY = "env-key-of-the-task-apps";

function record(fields: Record<string, unknown> & { url: string; port: number }): ServiceRecord {
  return {
    id: "svc_1",
    type: "local",
    created_at: "2026-11-22T00:00:00.000Z",
    local_host: "127.0.0.1",
    pid: null,
    pid_started: null,
    pid_scope: null,
    ...fields,
  } as unknown as ServiceRecord;
}

function recordsOf(records: ServiceRecord[], state: ProcessState) {
  return {
    list: () => Promise.resolve(records),
    removeStale: () => Promise.resolve([]),
    processState: () => Promise.resolve(state),
  };
}

for (
  const [what, fields, state, gets] of [
    ["has no process", {}, "unknown", false],
    ["is of a deployment whose process is gone", { type: "deployment", target: "local" }, "gone"],
    ["has a process that runs", { pid: 7 }, "running", true],
  ] as const
) {
  Deno.test(`scanTaskApps ${gets ? "shows" : "does not show"} the key to a port whose record ${what}`, async () => {
    const seen: (string | null)[] = [];
    await using row = await listenInRow([(request) => {
      seen.push(request.headers.get("x-api-key"));
      return new Response("who are you", { status: 401 });
    }]);
    const port = row.first;
    const { apps } = await scanTaskApps({
      ports: null,
      processes: null,
      apiKey: KEY,
      records: recordsOf([record({ ...fields, url: `http://127.0.0.1:${port}`, port })], state),
    });
    assertEquals(apps.map(({ status, record_id }) => [status, record_id]), [
      ["unauthorized", "svc_1"],
    ]);
    assert(seen.length > 0);
    assertEquals(seen.includes(KEY), gets === true);
  });
}

Deno.test("scanTaskApps shows the key to a recorded public name until its process is gone", async () => {
  for (const [state, gets] of [["unknown", true], ["running", true], ["gone", false]] as const) {
    const seen: (string | null)[] = [];
    await scanTaskApps({
      ports: null,
      processes: null,
      apiKey: KEY,
      records: recordsOf([
        record({ url: "https://mine.example", port: 8000, type: "deployment", target: "worker" }),
      ], state),
      fetch: (_, init) => {
        seen.push(new Headers(init?.headers).get("x-api-key"));
        return Promise.resolve(Response.json({ healthy: true }));
      },
    });
    assertEquals(seen.includes(KEY), gets, state);
  }
});

Deno.test("scanTaskApps shows the key to no server that only leads to a task app", async () => {
  const seen: (string | null)[] = [];
  await using row = await listenInRow([
    (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/") return Response.json({ status: "ok", service: "real" });
      const refusal = { detail: { error: { code: "unauthorised" } } };
      return request.headers.get("x-api-key") === KEY
        ? Response.json({ healthy: true })
        : Response.json(refusal, { status: 401 });
    },
    (request) => {
      seen.push(request.headers.get("x-api-key"));
      const { port, pathname } = new URL(request.url);
      return Response.redirect(`http://127.0.0.1:${Number(port) - 1}${pathname}`);
    },
  ]);
  const { apps } = await scanTaskApps({
    ports: { first: row.first, last: row.first + 1 },
    processes: null,
    apiKey: KEY,
  });
  assertEquals(apps.map(({ status }) => status), ["healthy", "unauthorized"]);
  assert(seen.length > 0);
  assertEquals(seen.filter((key) => key !== null), []);
});

Deno.test("scanTaskApps shows no secret that a server puts into lists, under plurals, or says back", async () => {
  await using row = await listenInRow([(request) => {
    const { pathname } = new URL(request.url);
    const key = request.headers.get("x-api-key");
    if (pathname === "/") return Response.json({ status: "ok", service: "echo" });
    if (key === null) {
      return Response.json({ error: { code: "unauthorised" } }, { status: 401 });
    }
    if (pathname === "/health") return Response.json({ healthy: true });
    return Response.json({
      service: { task: { id: `app of ${key}`, name: "n".repeat(5000), version: key } },
      dataset: { id: key },
      said: [{ back: [key] }],
      api_keys: ["hidden-1", { first: "hidden-2" }],
      auth: { tokens: ["hidden-3"], password: ["hidden-4"], authorization: { a: "hidden-5" } },
      secrets: { deep: { deeper: "hidden-6" } },
      limits: { max_tokens: 4096 },
    });
  }]);
  const { apps } = await scanTaskApps({
    ports: { first: row.first, last: row.first },
    processes: null,
    apiKey: KEY,
  });
  const [app] = apps;
  assertEquals(app?.status, "healthy");
  const text = JSON.stringify(apps);
  assert(!text.includes("hidden") && !text.includes(KEY), text);
  assertEquals(app?.name, "app of [redacted]");
  assertEquals(app?.task_name?.length, 256);
});

Deno.test("scanTaskApps keeps numbers that are no secrets", async () => {
  await using row = await listenInRow([(request) =>
    Response.json(
      new URL(request.url).pathname === "/health"
        ? { healthy: true }
        : { limits: { max_tokens: 4096 } },
    )]);
  const { apps } = await scanTaskApps({
    ports: { first: row.first, last: row.first },
    processes: null,
  });
  assertEquals(apps[0]?.metadata, { limits: { max_tokens: 4096 } });
});

Deno.test("scanTaskApps reads all pages of the registry, and takes its key to no other list", async () => {
  const paths: string[] = [];
  const pages: Record<string, [unknown[], string | null]> = {
    "?limit=1000": [[{ app_id: "a", url: "https://a.example" }], "?limit=1000&cursor=2"],
    "?limit=1000&cursor=2": [[{ app_id: "b", url: "https://b.example" }], "https://evil.example/"],
  };
  const { apps, warnings } = await scanTaskApps({
    ports: null,
    processes: null,
    backend: { baseUrl: "http://gateway.example", apiKey: "backend-key" },
    fetch: (input) => {
      const url = new URL(input instanceof Request ? input.url : input);
      if (url.hostname !== "gateway.example") {
        paths.push(url.hostname);
        return Promise.resolve(Response.json({ healthy: true }));
      }
      const [body, next] = pages[url.search] ?? [[], null];
      if (!url.pathname.includes("registry")) return Promise.resolve(Response.json([]));
      return Promise.resolve(
        Response.json(body, { headers: next === null ? {} : { link: `<${next}>; rel="next"` } }),
      );
    },
  });
  assertEquals(apps.map(({ app_id }) => app_id), ["a", "b"]);
  assertEquals(warnings, []);
  assert(!paths.includes("evil.example"));
});

Deno.test("scanTaskApps gives up a list without an end", async () => {
  let pages = 0;
  const { apps, warnings } = await scanTaskApps({
    ports: null,
    processes: null,
    backend: { baseUrl: "http://gateway.example", apiKey: "backend-key" },
    fetch: (input) => {
      const url = new URL(input instanceof Request ? input.url : input);
      if (!url.pathname.includes("registry")) return Promise.resolve(Response.json([]));
      const link = `<${url.pathname}?limit=1000&cursor=${++pages}>; rel="next"`;
      return Promise.resolve(Response.json([], { headers: { link } }));
    },
  });
  assertEquals([apps, pages], [[], 10]);
  assertEquals(warnings.length, 1);
});

Deno.test("scanTaskApps asks what is its own before what others name", async () => {
  await using row = await listenInRow([() => Response.json({ healthy: true })]);
  const clock = new FakeClock();
  const all = Promise.withResolvers<void>();
  const entries = Array.from({ length: 500 }, (_, i) => ({
    app_id: `dead-${i}`,
    url: `https://dead-${i}.example`,
  }));
  let waiting = 0;
  const scan = scanTaskApps({
    ports: null,
    processes: null,
    clock,
    records: recordsOf([record({ url: `http://127.0.0.1:${row.first}`, port: row.first })], "gone"),
    backend: { baseUrl: "http://gateway.example", apiKey: "backend-key" },
    fetch: (input, init) => {
      const url = new URL(input instanceof Request ? input.url : input);
      if (url.hostname === "127.0.0.1") return fetch(input, init);
      if (url.hostname === "gateway.example") {
        return Promise.resolve(Response.json(url.pathname.includes("registry") ? entries : []));
      }
      if (++waiting === 32) all.resolve();
      return new Promise(() => {});
    },
  });
  await all.promise;
  await clock.tick(10_000);
  const { apps, complete } = await scan;
  assertEquals(complete, false);
  assertEquals(
    apps.filter(({ status }) => status === "healthy").map(({ record_id }) => record_id),
    ["svc_1"],
  );
});

Deno.test("scanTaskApps says when it could not try all ports", async () => {
  const clock = new FakeClock();
  const scan = scanTaskApps({ ports: { first: 1, last: 65_535 }, processes: null, clock });
  await clock.tick(5_000);
  const { complete, warnings } = await scan;
  assertEquals([complete, warnings.length], [false, 1]);
});

Deno.test("scanTaskApps says that a key cannot be sent, and finds the app without it", async () => {
  await using row = await listenInRow([
    () => Response.json({ error: { code: "unauthorised" } }, { status: 401 }),
  ]);
  const { apps, warnings } = await scanTaskApps({
    ports: { first: row.first, last: row.first },
    processes: null,
    sendKey: true,
    apiKey: "secret\nключ",
  });
  assertEquals(apps.map(({ status }) => status), ["unauthorized"]);
  assertEquals(warnings.length, 1);
  assert(!JSON.stringify([apps, warnings]).includes("secret"));
});

Deno.test("scanTaskApps complains of a backend that fails, and of none that has no such thing", async () => {
  for (const [status, count] of [[404, 0], [501, 0], [500, 2], [401, 2]] as const) {
    const { warnings } = await scanTaskApps({
      ports: null,
      processes: null,
      backend: { baseUrl: "http://gateway.example", apiKey: "backend-key" },
      fetch: () => Promise.resolve(new Response("no", { status })),
    });
    assertEquals(warnings.length, count, String(status));
  }
});
