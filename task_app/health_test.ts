import { assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { FakeClock } from "@synth/core";
import { extractAppInfo } from "./app_info.ts";
import { checkTaskAppHealth, legacyHealthStatus, type TaskAppHealth } from "./health.ts";
import { echoApp, envOf, KEY } from "./testing/echo_app.ts";

type Handler = (request: Request) => Response | Promise<Response>;

function fetchOf(handler: Handler): typeof globalThis.fetch {
  return async (input, init) => await handler(new Request(input, init));
}

async function check(handler: Handler): Promise<TaskAppHealth & { asked: string[] }> {
  const asked: string[] = [];
  const fetch = fetchOf((request) => {
    asked.push(new URL(request.url).pathname);
    return handler(request);
  });
  return { ...await checkTaskAppHealth("http://app.test/", { apiKey: KEY, fetch }), asked };
}

function health(answer: () => Response): Promise<TaskAppHealth & { asked: string[] }> {
  return check((request) =>
    request.url.endsWith("/health") ? answer() : new Response("no", { status: 404 })
  );
}

Deno.test("checkTaskAppHealth keeps the truth table", async () => {
  const html = { "content-type": "text/html; charset=utf-8" };
  const page = { tunnel_error: "HTML error page instead of JSON" };
  const table: [() => Response, TaskAppHealth["status"], TaskAppHealth["metadata"]][] = [
    [() => new Response("<html>", { status: 530, headers: html }), "unhealthy", {
      tunnel_error: "HTTP 530",
    }],
    [() => new Response("", { status: 502 }), "unhealthy", { tunnel_error: "HTTP 502" }],
    [() => new Response("", { status: 503 }), "unhealthy", { tunnel_error: "HTTP 503" }],
    [() => new Response("", { status: 504 }), "unhealthy", { tunnel_error: "HTTP 504" }],
    [() => new Response("<html>", { headers: html }), "unhealthy", page],
    [() => new Response("<html>", { status: 404, headers: html }), "unhealthy", page],
    [() => Response.json({ status: "Healthy" }), "healthy", {}],
    [() => Response.json({ healthy: true, status: "degraded" }), "healthy", {}],
    [() => Response.json({ status: "unhealthy" }), "unhealthy", {}],
    [() => Response.json({ healthy: false }), "unhealthy", {}],
    [() => Response.json({ status: "degraded" }), "degraded", {}],
    [() => Response.json({ other: 1 }), "healthy", {}],
    [() => Response.json([]), "healthy", {}],
    [() => Response.json(null), "healthy", {}],
    [() => new Response("text"), "healthy", {}],
    [
      () => new Response("{broken", { headers: { "content-type": "application/json" } }),
      "healthy",
      {},
    ],
    [() => new Response("x".repeat(1_000_000)), "healthy", {}],
    [() => new Response(new Uint8Array([255, 254])), "healthy", {}],
    [() => new Response("", { status: 500 }), "unhealthy", { http_status: 500 }],
    [() => new Response("", { status: 404 }), "unhealthy", { http_status: 404 }],
    [() => new Response("", { status: 204 + 16 }), "unhealthy", { http_status: 220 }],
    [() => new Response("", { status: 401 }), "unauthorized", { http_status: 401 }],
    [() => new Response("", { status: 403 }), "unauthorized", { http_status: 403 }],
    [
      () => Response.json({ detail: { error: { code: "unauthorised" } } }, { status: 400 }),
      "unauthorized",
      { http_status: 400 },
    ],
    [() => Response.json({ error: { code: "other" } }, { status: 400 }), "unhealthy", {
      http_status: 400,
    }],
  ];
  for (const [answer, status, metadata] of table) {
    const found = await health(answer);
    const shown = await answer().text();
    assertEquals([found.status, found.metadata], [status, metadata], shown.slice(0, 80));
    assertEquals(found.health_status, legacyHealthStatus(status));
    const failed = status === "unhealthy" || status === "unauthorized";
    assertEquals(found.asked, failed ? ["/health"] : ["/health", "/info"]);
  }
});

Deno.test("checkTaskAppHealth maps to the three values of the original", () => {
  const table = ["healthy", "degraded", "unhealthy", "unauthorized", "unreachable"] as const;
  assertEquals(table.map(legacyHealthStatus), [
    "healthy",
    "healthy",
    "unhealthy",
    "unhealthy",
    "unknown",
  ]);
});

Deno.test("checkTaskAppHealth is unreachable at the timeout, when aborted, and on errors", async () => {
  const clock = new FakeClock();
  const never = fetchOf(() => new Promise(() => {}));
  const pending = checkTaskAppHealth("http://app.test", { fetch: never, clock, timeoutMs: 2000 });
  await clock.tick(2000);
  const late = await pending;
  assertEquals([late.status, late.health_status, late.metadata], ["unreachable", "unknown", {
    error: "timeout",
  }]);
  assertEquals(clock.pending, 0);
  const stalled = checkTaskAppHealth("http://app.test", {
    clock,
    fetch: fetchOf(() => new Response(new ReadableStream())),
  });
  await clock.tick(2000);
  assertEquals((await stalled).metadata, { error: "timeout" });
  const controller = new AbortController();
  const options = { fetch: never, clock, signal: controller.signal };
  const aborted = checkTaskAppHealth("http://app.test", options);
  controller.abort();
  assertEquals((await aborted).metadata, { error: "aborted" });
  assertEquals((await checkTaskAppHealth("http://app.test", options)).metadata, {
    error: "aborted",
  });
  assertEquals(clock.pending, 0);
  const refused = await checkTaskAppHealth("http://app.test", {
    fetch: () => Promise.reject(new TypeError("connection refused by https://u:pass@app.test")),
  });
  assertEquals(refused.status, "unreachable");
  assertFalse(JSON.stringify(refused).includes("pass"));
  assertEquals((await checkTaskAppHealth("not a url")).status, "unreachable");
});

Deno.test("checkTaskAppHealth follows redirects of /health, and sends the key to the first origin alone", async () => {
  const keys: [string, string | null, string | null][] = [];
  const fetch = fetchOf((request) => {
    const { headers, url } = request;
    keys.push([url, headers.get("x-api-key"), headers.get("cf-access-client-id")]);
    if (url === "http://app.test/health") return Response.redirect("http://app.test/h2", 307);
    if (url === "http://app.test/h2") return Response.redirect("http://other.test/h3", 302);
    if (url === "http://other.test/h3") return Response.json({ healthy: true });
    return Response.redirect("http://other.test/info", 302);
  });
  const found = await checkTaskAppHealth("http://app.test", {
    fetch,
    apiKey: KEY,
    headers: { "cf-access-client-id": "id" },
  });
  assertEquals([found.status, found.metadata], ["healthy", {}]);
  assertEquals(keys, [
    ["http://app.test/health", KEY, "id"],
    ["http://app.test/h2", KEY, "id"],
    ["http://other.test/h3", null, null],
    ["http://app.test/info", KEY, "id"],
  ]);
  const loop = await check((request) => Response.redirect(request.url, 302));
  assertEquals([loop.status, loop.metadata], ["unreachable", { error: "too many redirects" }]);
  const scheme = await check(() =>
    new Response(null, { status: 302, headers: { location: "file:///etc/passwd" } })
  );
  assertEquals(scheme.status, "unreachable");
});

Deno.test("checkTaskAppHealth takes its metadata from /info, and passes over a broken one", async () => {
  const { app } = echoApp();
  const found = await check((request) => Promise.resolve(app.fetch(request)));
  assertEquals(found.status, "healthy");
  assertEquals(extractAppInfo(found.metadata), {
    app_id: "echo",
    task_name: "Echo",
    dataset_id: "rows",
    version: "1.2",
  });
  const infos = [
    () => new Response("{broken"),
    () => Response.json([1]),
    () => new Response('{"__proto__":{"x":1}}'),
    () => new Response("[".repeat(100_000)),
    () => new Response("", { status: 500 }),
    () => {
      throw new Error("gone");
    },
  ];
  for (const info of infos) {
    const broken = await check((request) =>
      request.url.endsWith("/info") ? info() : Response.json({ healthy: true })
    );
    assertEquals([broken.status, broken.metadata], ["healthy", {}]);
  }
  const one = await checkTaskAppHealth("http://app.test", {
    info: false,
    fetch: fetchOf((request) => {
      assertFalse(request.url.endsWith("/info"));
      return Response.json({});
    }),
  });
  assertEquals(one.status, "healthy");
});

Deno.test("checkTaskAppHealth sends no key that a header cannot carry, and does not show it", async () => {
  for (const apiKey of ["a\nb-secret", "secret-ключ", "secret\x7f"]) {
    const found = await checkTaskAppHealth("http://app.test", {
      apiKey,
      fetch: () => Promise.reject(new Error("asked")),
    });
    assertEquals(found.status, "unreachable");
    assertStringIncludes(String(found.metadata["error"]), "must be ASCII");
    assertFalse(JSON.stringify(found).includes("secret"));
  }
});

Deno.test("checkTaskAppHealth tells a task app that refuses the key", async () => {
  for (const legacyAuthStatus of [false, true]) {
    const { app } = echoApp({ legacyAuthStatus }, { env: envOf({ ENVIRONMENT_API_KEY: "other" }) });
    const found = await check((request) => Promise.resolve(app.fetch(request)));
    assertEquals(found.status, "unauthorized");
  }
  const { app } = echoApp({}, { env: envOf({}) });
  const unset = await check((request) => Promise.resolve(app.fetch(request)));
  assertEquals([unset.status, unset.metadata], ["unhealthy", {
    tunnel_error: "HTTP 503",
    error_code: "missing_environment_api_key",
  }]);
});

Deno.test("extractAppInfo gives null for what is malformed", () => {
  const nothing = { app_id: null, task_name: null, dataset_id: null, version: null };
  for (
    const metadata of [{}, { service: null }, { service: "x", dataset: [] }, {
      service: { task: 3 },
    }]
  ) {
    assertEquals(extractAppInfo(metadata), nothing);
  }
  assertEquals(
    extractAppInfo({ service: { task: { id: 5, name: "N" } }, dataset: { id: "d" } }),
    { ...nothing, task_name: "N", dataset_id: "d" },
  );
});
