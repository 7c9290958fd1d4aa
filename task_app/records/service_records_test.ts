import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type Clock, createLogger, FakeClock, SynthError } from "@synth/core";
import { ServiceRecords } from "./service_records.ts";
import { systemProcesses } from "./process_identity.ts";
import type { NewServiceRecord } from "./types.ts";

const WRITER = new URL("./testing/writer.ts", import.meta.url).href;

Deno.test("ServiceRecords keeps a task app and its tunnel on the same port apart", async () => {
  await using home = await temporaryHome();
  const records = new ServiceRecords({ home: home.path, clock: new FakeClock() });
  const app = await records.add(local());
  const tunnel = await records.add({
    type: "tunnel",
    url: "https://a-b.trycloudflare.com",
    port: 8114,
    local_host: "127.0.0.1",
    mode: "quick",
    hostname: "a-b.trycloudflare.com",
    service_id: app.id,
  });
  assertEquals(await records.list(), [app, tunnel]);
  assertEquals(await records.get(tunnel.id), tunnel);
  assertEquals(app.created_at, "2025-06-15T15:06:40.000Z");
  assertEquals(await records.remove(app.id), true);
  assertEquals(await records.remove(app.id), false);
  assertEquals(await records.list(), [tunnel]);
});

Deno.test("ServiceRecords writes a file for its owner alone, and replaces a record of the same id", async () => {
  await using home = await temporaryHome();
  const records = new ServiceRecords({ home: home.path });
  await records.add({ ...local(), id: "svc_x" });
  await records.add({ ...local(), id: "svc_x", port: 9000 });
  assertEquals((await records.list()).map(({ port }) => port), [9000]);
  if (Deno.build.os !== "windows") {
    assertEquals((await Deno.stat(records.path)).mode! & 0o777, 0o600);
    assertEquals((await Deno.stat(home.path)).mode! & 0o777, 0o700);
  }
});

Deno.test("ServiceRecords changes a record and leaves one that is gone alone", async () => {
  await using home = await temporaryHome();
  const records = new ServiceRecords({ home: home.path });
  const { id } = await records.add(local());
  const changed = await records.update(id, (record) => ({ ...record, app_id: "banking" }));
  assertEquals(changed?.app_id, "banking");
  assertEquals((await records.get(id))?.app_id, "banking");
  assertEquals(await records.update("svc_none", (record) => record), undefined);
});

Deno.test("ServiceRecords reads the file of synth-ai and writes it in its own form", async () => {
  await using home = await temporaryHome();
  const original = {
    "8000": {
      url: "http://127.0.0.1:8000",
      port: 8000,
      type: "local",
      local_host: "127.0.0.1",
      created_at: "2025-11-01T00:00:00+00:00",
      app_id: "math",
    },
    "8001": { url: "https://x.usesynth.ai", port: 8001, type: "tunnel", mode: "managed" },
    "8002": { port: 8002, note: "has no url" },
  };
  await Deno.mkdir(home.path);
  await Deno.writeTextFile(`${home.path}/services.json`, JSON.stringify(original));
  const records = new ServiceRecords({ home: home.path });
  const [math, tunnel] = await records.list();
  assertEquals([math?.id, math?.app_id, math?.pid], ["svc_port_8000", "math", null]);
  assert(tunnel?.type === "tunnel");
  assertEquals([tunnel.mode, tunnel.hostname], ["managed", "x.usesynth.ai"]);
  await records.remove("svc_port_8001");
  const file = JSON.parse(await Deno.readTextFile(records.path));
  assertEquals(file.v, 1);
  assertEquals(file.services.map((entry: { port: number }) => entry.port), [8000, 8002]);
});

Deno.test("ServiceRecords puts a file that is not readable aside and loses nothing of it", async () => {
  for (const text of ['{"v":1,"services":[{"id"', "[]", '{"name":"other"}', '{"v":1}', "\u0000"]) {
    await using home = await temporaryHome();
    await Deno.mkdir(home.path);
    await Deno.writeTextFile(`${home.path}/services.json`, text);
    const lines: string[] = [];
    const log = createLogger({ write: (line) => lines.push(line) });
    const records = new ServiceRecords({ home: home.path, log });
    assertEquals(await records.list(), []);
    const { id } = await records.add(local());
    assertEquals((await records.list()).map((record) => record.id), [id]);
    const aside = (await names(home.path)).filter((name) => name.includes(".corrupt-"));
    assertEquals(aside.length, 1);
    assertEquals(await Deno.readTextFile(`${home.path}/${aside[0]}`), text);
    assertStringIncludes(lines.join(), "was put aside");
  }
});

Deno.test("ServiceRecords keeps entries and members that it does not know", async () => {
  await using home = await temporaryHome();
  const records = new ServiceRecords({ home: home.path });
  const { id } = await records.add(local());
  const file = JSON.parse(await Deno.readTextFile(records.path));
  file.services[0].colour = "blue";
  file.services.push({ id: "svc_later", type: "cluster" });
  await Deno.writeTextFile(records.path, JSON.stringify(file));
  await records.add(local());
  const { services } = JSON.parse(await Deno.readTextFile(records.path));
  assertEquals(services.length, 3);
  assertEquals([services[0].id, services[0].colour], [id, "blue"]);
  assertEquals(services[2], { id: "svc_later", type: "cluster" });
});

Deno.test("ServiceRecords refuses the file of a newer version and leaves it as it is", async () => {
  await using home = await temporaryHome();
  await Deno.mkdir(home.path);
  const text = '{"v":2,"services":[{"id":"svc_new"}]}';
  await Deno.writeTextFile(`${home.path}/services.json`, text);
  const records = new ServiceRecords({ home: home.path });
  for (const call of [() => records.list(), () => records.add(local())]) {
    assertEquals((await assertRejects(call, SynthError)).code, "records_too_new");
  }
  assertEquals(await Deno.readTextFile(records.path), text);
});

Deno.test("ServiceRecords.removeStale removes what is provably gone: an ended process, a reused number", async () => {
  await using home = await temporaryHome();
  const records = new ServiceRecords({ home: home.path });
  const ended = new Deno.Command(Deno.execPath(), { args: ["--version"], stdout: "null" }).spawn();
  await ended.status;
  const gone = await records.add({ ...local(), pid: ended.pid });
  const own = await records.add({ ...local(), pid: Deno.pid });
  const reused = await records.add({ ...local(), pid: Deno.pid });
  const elsewhere = await records.add({ ...local(), pid: ended.pid });
  const nobody = await records.add(local());
  await records.update(reused.id, (record) => ({ ...record, pid_started: "earlier" }));
  await records.update(elsewhere.id, (record) => ({ ...record, pid_scope: "another machine" }));
  const removed = (await records.removeStale()).map(({ id }) => id);
  const left = (await records.list()).map(({ id }) => id);
  if (own.pid_started === null) {
    // Windows tells no start: a number that is in use proves nothing.
    assertEquals(removed, [gone.id]);
    return;
  }
  assertEquals(removed, [gone.id, reused.id]);
  assertEquals(left, [own.id, elsewhere.id, nobody.id]);
  assertEquals(await records.processState(own), "running");
  assertEquals(await records.processState(nobody), "unknown");
});

Deno.test("ServiceRecords.removeStale spares a record that was written anew while it looked", async () => {
  await using home = await temporaryHome();
  const records = new ServiceRecords({
    home: home.path,
    processes: {
      ...systemProcesses,
      state: async (process) => {
        if (process.pid === 1111) await records.add({ ...local(), id: "svc_x", pid: Deno.pid });
        return process.pid === 1111 ? "gone" : "running";
      },
      identify: (pid) => Promise.resolve({ pid, pid_started: `at ${pid}`, pid_scope: null }),
    },
  });
  await records.add({ ...local(), id: "svc_x", pid: 1111 });
  assertEquals(await records.removeStale(), []);
  assertEquals((await records.list()).map(({ pid }) => pid), [Deno.pid]);
});

Deno.test("ServiceRecords loses and tears nothing under ten processes", async () => {
  await using home = await temporaryHome();
  const records = new ServiceRecords({ home: home.path, lockDeadlineMs: 60_000 });
  const writers = Array.from({ length: 10 }, (_, n) => run(["churn", home.path, `w${n}`, "8"]));
  let ended = false;
  const all = Promise.all(writers).finally(() => ended = true);
  let reads = 0;
  while (!ended) {
    // A torn file would be put aside.
    await records.list();
    reads++;
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  assertEquals((await all).map(({ code }) => code), new Array(10).fill(0));
  const apps = (await records.list()).map(({ app_id }) => app_id).sort();
  const wanted = writers.flatMap((_, n) => [0, 2, 4, 6].map((round) => `w${n}-${round}`));
  assertEquals(apps, wanted.sort());
  assertEquals(await names(home.path), ["services.json", "services.json.lock"]);
  assert(reads > 0);
});

Deno.test("ServiceRecords goes on when the holder of the lock is killed", async () => {
  await using home = await temporaryHome();
  const records = new ServiceRecords({ home: home.path });
  await records.add(local());
  const holder = spawn(["hold", home.path]);
  const reader = holder.stdout.getReader();
  assertEquals(new TextDecoder().decode((await reader.read()).value), "held\n");
  const impatient = new ServiceRecords({ home: home.path, clock: fastClock() });
  const error = await assertRejects(() => impatient.add(local()), SynthError);
  assertEquals([error.code, error.exitCode], ["records_locked", 75]);
  const waiting = records.add(local());
  holder.kill("SIGKILL");
  await Promise.all([holder.status, waiting, drain(reader), holder.stderr.cancel()]);
  assertEquals((await records.list()).length, 2);
});

Deno.test("ServiceRecords says that it cannot write and leaves the old file whole", async () => {
  await using home = await temporaryHome();
  await new ServiceRecords({ home: home.path }).add(local());
  const before = await Deno.readTextFile(`${home.path}/services.json`);
  const full = new ServiceRecords({
    home: home.path,
    replace: () => Promise.reject(new Error("No space left on device (os error 28)")),
  });
  const error = await assertRejects(() => full.add(local()), SynthError);
  assertEquals([error.code, error.exitCode], ["records_unwritable", 69]);
  assertStringIncludes(error.message, "No space left on device");
  assertEquals(await Deno.readTextFile(`${home.path}/services.json`), before);
});

Deno.test({
  name: "ServiceRecords on a full disk says so, keeps the old file and leaves no draft",
  // Needs a user namespace in which a small file system can be mounted.
  ignore: !await canMount(),
  fn: async () => {
    await using home = await temporaryHome();
    await Deno.mkdir(home.path);
    const script = 'mount -t tmpfs -o size=64k tmpfs "$1" && shift && exec "$@"';
    const args = ["-Urm", "sh", "-c", script, "sh", home.path, Deno.execPath(), "run"];
    const { code, stdout } = await new Deno.Command("unshare", {
      args: [...args, "-A", WRITER, "fill", home.path],
      stderr: "inherit",
    }).output();
    assertEquals(code, 0);
    const seen = JSON.parse(new TextDecoder().decode(stdout));
    assertEquals(seen.code, "records_unwritable");
    assertStringIncludes(seen.message, "No space left");
    assertEquals(seen.files, ["services.json", "services.json.lock"]);
    assert(seen.records > 2);
  },
});

function local(): NewServiceRecord {
  return { type: "local", url: "http://127.0.0.1:8114", port: 8114, local_host: "127.0.0.1" };
}

async function temporaryHome(): Promise<AsyncDisposable & { readonly path: string }> {
  const dir = await Deno.makeTempDir({ prefix: "synth-records-" });
  return {
    path: `${dir}/home`,
    [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }),
  };
}

async function names(dir: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name).sort();
}

function spawn(args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", WRITER, ...args],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function run(args: string[]): Promise<Deno.CommandOutput> {
  return await spawn(args).output();
}

async function drain(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  while (!(await reader.read()).done);
}

/** A clock on which a wait is over at once. */
function fastClock(): Clock {
  const clock = new FakeClock();
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after: (ms, fn) => clock.after(ms, fn),
    sleep: (ms) => clock.tick(ms * 100),
  };
}

async function canMount(): Promise<boolean> {
  try {
    const args = ["-Urm", "sh", "-c", "mount -t tmpfs tmpfs /mnt"];
    return (await new Deno.Command("unshare", { args, stderr: "null" }).output()).success;
  } catch {
    return false;
  }
}
