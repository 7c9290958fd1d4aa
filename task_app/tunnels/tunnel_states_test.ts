import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { silentLogger, SynthError } from "@synth/core";
import { checkTaskAppHealth } from "../health.ts";
import { LOG_LIMIT_BYTES } from "../processes/log_file.ts";
import { scanTaskApps } from "../discovery/scan.ts";
import { type ProcessProbe, systemProcesses } from "../records/process_identity.ts";
import { ServiceRecords } from "../records/service_records.ts";
import { impatientClock } from "./testing/clocks.ts";
import { isRunning, TunnelRoom } from "./testing/tunnel_room.ts";
import { TunnelStates } from "./tunnel_states.ts";

/** A record of a process that is no tunnel of ours. */
async function recordOf(home: string, processes: ProcessProbe, pid: number): Promise<string> {
  const { id } = await new ServiceRecords({ home, processes }).add({
    type: "tunnel",
    mode: "quick",
    url: "https://a.trycloudflare.com",
    hostname: "a.trycloudflare.com",
    port: 8001,
    local_host: "127.0.0.1",
    pid,
  });
  return id;
}

Deno.test("TunnelStates never ends a process that got the number of a tunnel", async () => {
  await using room = await TunnelRoom.make();
  using other = new Stranger();
  const before: ProcessProbe = {
    ...systemProcesses,
    identify: async (pid) => ({ ...await systemProcesses.identify(pid), pid_started: "boot:1" }),
  };
  const id = await recordOf(room.home, before, other.pid);
  assertEquals((await room.states.get(id)).state, "ended");
  assertEquals(await room.states.close(id), "gone");
  assert(isRunning(other.pid));
  assertEquals(await room.records(), []);
});

Deno.test("TunnelStates knows that a machine was restarted", async () => {
  await using room = await TunnelRoom.make();
  await using _tunnel = await room.open();
  const restarted: ProcessProbe = { ...systemProcesses, state: () => Promise.resolve("gone") };
  const states = new TunnelStates({ home: room.home, processes: restarted });
  assertEquals((await states.list()).map(({ state }) => state), ["ended"]);
});

Deno.test("TunnelStates leaves alone what cannot be proved to be ours", async () => {
  await using room = await TunnelRoom.make();
  using other = new Stranger();
  const elsewhere: ProcessProbe = {
    ...systemProcesses,
    identify: async (pid) => ({ ...await systemProcesses.identify(pid), pid_scope: "elsewhere" }),
  };
  const id = await recordOf(room.home, elsewhere, other.pid);
  assertEquals((await room.states.get(id)).state, "unknown");
  const error = await assertRejects(() => room.states.close(id), SynthError);
  assertEquals(error.code, "process_unknown");
  assert(isRunning(other.pid));
  assertEquals((await room.records()).length, 1);
});

Deno.test("TunnelStates ends no task app whose id it is given", async () => {
  await using room = await TunnelRoom.make();
  const { id } = await new ServiceRecords({ home: room.home }).add({
    type: "local",
    url: `http://127.0.0.1:${room.port}`,
    port: room.port,
    local_host: "127.0.0.1",
    pid: Deno.pid,
  });
  const error = await assertRejects(() => room.states.close(id), SynthError);
  assertEquals([error.code, error.exitCode], ["tunnel_not_found", 3]);
});

Deno.test("TunnelStates ends a tunnel that another process has opened, also one that is stubborn", async () => {
  await using room = await TunnelRoom.make("stubborn");
  const tunnel = await room.open();
  let now = 0;
  // Time flies between two looks, so that nobody waits for five seconds.
  const hurried = { ...impatientClock(), monotonic: () => now += 1_000 };
  const states = new TunnelStates({ home: room.home, clock: hurried });
  assertEquals(await states.close(tunnel.recordId ?? ""), "closed");
  assertStringIncludes((await tunnel.exited).reason, "SIGKILL");
  assertEquals([await room.running(), await room.records(), await room.files()], [[], [], []]);
});

Deno.test("TunnelStates cuts no file but the tunnel's own log, wherever its record or a link points", async () => {
  await using room = await TunnelRoom.make();
  await using tunnel = await room.open();
  const precious = `${room.path}/precious`;
  using file = await Deno.open(precious, { createNew: true, write: true });
  await file.truncate(LOG_LIMIT_BYTES + 1);
  const records = new ServiceRecords({ home: room.home });
  await records.update(tunnel.recordId ?? "", (old) => ({ ...old, log_file: precious }));
  await room.states.list();
  assertEquals((await Deno.stat(precious)).size, LOG_LIMIT_BYTES + 1);
  const own = `${room.home}/tunnels/${tunnel.recordId}.log`;
  assertEquals(await room.states.list().then(([one]) => one?.logFile), own);
  await Deno.remove(own);
  await Deno.symlink(precious, own);
  await room.states.list();
  assertEquals((await Deno.stat(precious)).size, LOG_LIMIT_BYTES + 1);
});

Deno.test("TunnelStates takes no name from a metrics server that opening would refuse", async () => {
  await using room = await TunnelRoom.make();
  using other = new Stranger();
  let name = "evil.example.com";
  const on = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  await using metrics = Deno.serve(
    on,
    (request) =>
      Response.json(request.url.endsWith("/ready") ? { readyConnections: 1 } : { hostname: name }),
  );
  const { id } = await new ServiceRecords({ home: room.home }).add({
    type: "tunnel",
    mode: "quick",
    url: "http://127.0.0.1:8001",
    hostname: "",
    port: 8001,
    local_host: "127.0.0.1",
    pid: other.pid,
    metrics_url: `http://127.0.0.1:${metrics.addr.port}`,
  });
  const refused = await room.states.get(id);
  assertEquals([refused.state, refused.record.hostname], ["opening", ""]);
  name = "a.trycloudflare.com";
  const named = await room.states.get(id);
  assertEquals([named.state, named.record.url], ["connected", `https://${name}`]);
});

Deno.test("a scan finds an open tunnel, by its record and its process, as one app", async () => {
  await using room = await TunnelRoom.make();
  await using tunnel = await room.open();
  const report = await scanTaskApps({
    ports: { first: room.port, last: room.port },
    records: new ServiceRecords({ home: room.home, log: silentLogger }),
    apiKey: room.env["ENVIRONMENT_API_KEY"],
    fetch: room.edge.fetch,
    deadlineMs: 20_000,
    timeoutMs: 10_000,
  });
  const found = report.apps.filter(({ url }) => url === tunnel.url);
  assertEquals(found.map(({ status, type, tunnel_mode }) => [status, type, tunnel_mode]), [
    ["healthy", "cloudflare", "quick"],
  ]);
  assert(found[0]?.sources.includes("tunnel_records"));
  const health = await checkTaskAppHealth(tunnel.url, { fetch: room.edge.fetch, info: false });
  assertEquals(health.status, "unauthorized");
});

/** A process of somebody else. */
class Stranger implements Disposable {
  readonly #child = new Deno.Command("sleep", { args: ["600"] }).spawn();

  get pid(): number {
    return this.#child.pid;
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
    // Its end is waited for by the runtime.
    void this.#child.status;
  }
}
