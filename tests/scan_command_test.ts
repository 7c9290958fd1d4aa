/** `synth scan` as a process: what it prints, where, and with which exit code. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Hono } from "hono";
import { silentLogger } from "@synth/core";
import { createTaskApp } from "@synth/task-app";
import { ServiceRecords } from "@synth/task-app/records";
import { listenInRow } from "../task_app/discovery/testing/listen_in_row.ts";
import { runSynth, startSynth, temporaryDirectory } from "./support/synth_process.ts";

const KEY = "environment-key-0123456789";
/** The members of an app in the original's order; ours come behind. */
const MEMBERS = [
  "name",
  "url",
  "type",
  "health_status",
  "port",
  "tunnel_mode",
  "tunnel_hostname",
  "app_id",
  "task_name",
  "dataset_id",
  "version",
  "metadata",
  "discovered_via",
];

/** A real task app, served by our own server. */
function realApp(id: string): Deno.ServeHandler {
  const app = createTaskApp({
    appId: id,
    name: `The ${id}`,
    description: "For a scan",
    baseTaskInfo: {
      task: { id, name: `Task ${id}`, version: "2" },
      environment: "none",
      dataset: { id: "rows" },
      rubric: {},
      inference: {},
      limits: {},
    },
    describeTaskset: () => ({}),
    provideTaskInstances: () => [],
    rollout: () => Promise.reject(new Error("not asked")),
  }, { env: (name) => name === "ENVIRONMENT_API_KEY" ? KEY : undefined, log: silentLogger });
  return (request) => app.fetch(request);
}

function range({ ports }: { readonly ports: readonly number[] }): string {
  return `${ports[0]}:${ports.at(-1)}`;
}

Deno.test("synth scan finds real task apps with their key, in a table and as JSON", async () => {
  await using home = await temporaryDirectory();
  await using row = await listenInRow([
    realApp("math"),
    realApp("poems"),
    () => new Response("something else", { status: 404 }),
    (request) => new Hono().get("/", (c) => c.text("hello")).fetch(request),
  ]);
  const env = { SYNTH_HOME: home.path, ENVIRONMENT_API_KEY: KEY };
  const table = await runSynth(["scan", "--port-range", range(row)], {
    env,
    permissions: ["run"],
  });
  assertEquals(table.code, 0, table.stderr);
  const lines = table.stdout.split("\n");
  assertEquals(lines[0], "Found 2 active task apps");
  assertStringIncludes(lines[3] ?? "", "✓ healthy");
  assertStringIncludes(lines[3] ?? "", "math");

  const json = await runSynth(["scan", "--json", "--port-range", range(row)], {
    env,
    permissions: ["run"],
  });
  assertEquals(json.code, 0, json.stderr);
  const report = JSON.parse(json.stdout);
  assertEquals(Object.keys(report).slice(0, 2), ["apps", "scan_summary"]);
  assertEquals(report.apps.length, 2);
  assertEquals(Object.keys(report.apps[0]).slice(0, MEMBERS.length), MEMBERS);
  assertEquals(report.apps[1].app_id, "poems");
  assertEquals(report.apps[1].version, "2");
  assertEquals(report.scan_summary.total_found, 2);
  assertEquals(report.scan_summary.healthy, 2);
  assertEquals(report.scan_summary.local_count, 2);
  assert(!json.stdout.includes(KEY) && !json.stderr.includes(KEY));
});

Deno.test("synth scan says unauthorized where the key is wrong, and fails when it is told to", async () => {
  await using home = await temporaryDirectory();
  await using row = await listenInRow([realApp("math")]);
  const env = { SYNTH_HOME: home.path, ENVIRONMENT_API_KEY: "not the key" };
  const args = ["scan", "--port-range", range(row)];
  const plain = await runSynth(args, { env });
  assertEquals(plain.code, 0);
  assertStringIncludes(plain.stdout, "! unauthorized");
  assertStringIncludes(plain.stdout, "math");
  assertEquals((await runSynth([...args, "--fail-on", "unhealthy"], { env })).code, 6);
  assertEquals((await runSynth([...args, "--fail-on", "degraded"], { env })).code, 6);
});

Deno.test("synth scan exits 0 when nothing is there, 3 when one was required, 2 on wrong flags", async () => {
  await using home = await temporaryDirectory();
  await using row = await listenInRow([() => new Response("no task app")]);
  const env = { SYNTH_HOME: home.path };
  const args = ["scan", "--port-range", range(row)];
  const none = await runSynth(args, { env });
  assertEquals([none.code, none.stdout], [0, "No active task apps found\n"]);
  assertEquals((await runSynth([...args, "--require-one"], { env })).code, 3);
  for (const bad of ["invalid", "0:100", "8000:70000", "9000:8000"]) {
    const { code, stdout, stderr } = await runSynth(["scan", "--port-range", bad], { env });
    assertEquals([code, stdout], [2, ""], bad);
    assertStringIncludes(stderr, "nvalid port range");
  }
  assertEquals((await runSynth([...args, "--timeout", "-1"], { env })).code, 2);
});

Deno.test("synth scan lists recorded apps under one entry, and forgets those that ended", async () => {
  await using home = await temporaryDirectory();
  await using row = await listenInRow([realApp("math")]);
  const records = new ServiceRecords({ home: home.path });
  const url = `http://127.0.0.1:${row.first}`;
  const local = { type: "local", port: row.first, local_host: "127.0.0.1" } as const;
  const { id } = await records.add({ ...local, url, pid: Deno.pid, app_id: "math" });
  const ended = new Deno.Command("true").spawn();
  await ended.status;
  await records.add({ ...local, url: "http://127.0.0.1:1", port: 1, pid: ended.pid });
  const { stdout, code, stderr } = await runSynth(
    ["scan", "--json", "--port-range", range(row), "--verbose"],
    { env: { SYNTH_HOME: home.path, ENVIRONMENT_API_KEY: KEY }, permissions: ["run"] },
  );
  assertEquals(code, 0, stderr);
  const { apps } = JSON.parse(stdout);
  assertEquals(apps.length, 1);
  assertEquals(apps[0].record_id, id);
  assertEquals(apps[0].sources, ["service_records", "port_scan"]);
  assertStringIncludes(stderr, "records of services that ended");
});

Deno.test("synth scan --watch --json prints a line whenever something changes, until it is interrupted", async () => {
  await using home = await temporaryDirectory();
  await using row = await listenInRow([realApp("math")]);
  await using watch = startSynth(
    ["scan", "--watch", "--interval", "0.05", "--json", "--port-range", range(row)],
    { env: { SYNTH_HOME: home.path, ENVIRONMENT_API_KEY: KEY } },
  );
  assertEquals(JSON.parse(await watch.firstLine()).apps.length, 1);
  await row[Symbol.asyncDispose]();
  const text = await watch.stdoutUntil((soFar) => soFar.split("\n").length > 2);
  assertEquals(JSON.parse(text.split("\n")[1] ?? "").apps.length, 0);
  watch.child.kill("SIGINT");
  assertEquals((await watch.result).code, 130);
});

Deno.test("synth scan looks at ports 8000 to 8100 unless told otherwise, and its help names its flags", async () => {
  await using home = await temporaryDirectory();
  const env = { SYNTH_HOME: home.path };
  const { stderr, code } = await runSynth(["scan", "--verbose", "--json"], { env });
  assertEquals(code, 0, stderr);
  assertStringIncludes(stderr, "Ports 8000 to 8100\n");
  const help = await runSynth(["scan", "--help"], { env });
  for (const flag of ["--port-range", "--timeout", "--api-key", "--json", "--verbose"]) {
    assertStringIncludes(help.stdout, flag);
  }
});

Deno.test("synth scan counts what it found, and no name moves the cursor", async () => {
  await using home = await temporaryDirectory();
  const evil = "evil\x1b[2J\x1b]0;title\x07\r\n\x9b31m";
  const named = (healthy: boolean): Deno.ServeHandler => (request) =>
    Response.json(
      new URL(request.url).pathname === "/health"
        ? { healthy }
        : { service: { task: { id: evil, name: evil, version: evil } }, dataset: { id: evil } },
    );
  await using row = await listenInRow([named(true), named(true), named(false)]);
  const records = new ServiceRecords({ home: home.path });
  const port = row.ports[2] ?? 0;
  // A tunnel whose end is a server of this test.
  await records.add({
    type: "tunnel",
    mode: "quick",
    hostname: "a-b.trycloudflare.com",
    url: `http://127.0.0.1:${port}`,
    port,
    local_host: "127.0.0.1",
  });
  const args = ["scan", "--port-range", range(row)];
  const env = { SYNTH_HOME: home.path };
  const { apps, scan_summary } = JSON.parse((await runSynth([...args, "--json"], { env })).stdout);
  assertEquals(apps.length, 3);
  const { total_found, healthy, unhealthy, local_count, cloudflare_count } = scan_summary;
  assertEquals([total_found, healthy, unhealthy, local_count, cloudflare_count], [3, 2, 1, 2, 1]);
  const { stdout } = await runSynth(args, { env });
  assertStringIncludes(stdout, "Found 3 active task apps");
  assertStringIncludes(stdout, "evil");
  // deno-lint-ignore no-control-regex -- these are the ones
  assert(!/[\x00-\x09\x0b-\x1f\x7f-\x9f]/.test(stdout));
});

Deno.test("synth scan --watch takes a heartbeat of the registry for no change", async () => {
  await using home = await temporaryDirectory();
  const beats = Promise.withResolvers<void>();
  let asked = 0;
  await using row = await listenInRow([(request) => {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/app")) return Response.json({ healthy: true });
    if (!pathname.startsWith("/api/v1/registry/")) return Response.json([]);
    if (++asked === 4) beats.resolve();
    const last_seen_at = new Date(asked * 1000).toISOString();
    return Response.json([{ app_id: "math", url: new URL("/app", request.url), last_seen_at }]);
  }]);
  await using watch = startSynth(
    ["scan", "--watch", "--interval", "0.01", "--json", "--port-range", "1"],
    {
      env: {
        SYNTH_HOME: home.path,
        BACKEND_BASE_URL: `http://127.0.0.1:${row.first}`,
        SYNTH_API_KEY: "sk-synth-of-the-test",
      },
    },
  );
  await watch.firstLine();
  await beats.promise;
  watch.child.kill("SIGINT");
  const { code, stdout } = await watch.result;
  assertEquals([code, stdout.trim().split("\n").length], [130, 1]);
  assertEquals(JSON.parse(stdout).apps[0].app_id, "math");
});
