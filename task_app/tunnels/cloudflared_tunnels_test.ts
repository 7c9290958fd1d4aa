import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertNotMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { SynthError } from "@synth/core";
import { heldTimer, impatientClock } from "./testing/clocks.ts";
import { isRunning, TunnelRoom } from "./testing/tunnel_room.ts";
import { watchedRunner } from "./testing/watched_runner.ts";
import { GRACE_MS } from "./tunnel_states.ts";

/** No process, no record, no file. */
async function assertNothingLeft(room: TunnelRoom): Promise<void> {
  assertEquals([await room.running(), await room.records(), await room.files()], [[], [], []]);
}

async function assertFails(
  opening: Promise<unknown>,
  code: string,
  exitCode?: number,
): Promise<SynthError> {
  const error = await assertRejects(() => opening, SynthError);
  assertEquals(error.code, code, error.message);
  if (exitCode !== undefined) assertEquals(error.exitCode, exitCode);
  return error;
}

Deno.test("CloudflaredTunnels opens a quick tunnel that answers through verified TLS, and leaves nothing", async () => {
  await using room = await TunnelRoom.make();
  const tunnel = await room.open();
  assertMatch(tunnel.url, /^https:\/\/words-of-the-tests-[0-9a-f]+\.trycloudflare\.com$/);
  const [record] = await room.records();
  assert(record?.type === "tunnel");
  assertEquals([record.url, record.id], [tunnel.url, tunnel.recordId ?? ""]);
  assertEquals(await room.running(), [record.pid]);
  assert(record.pid_started !== null);
  const [start] = await room.starts();
  const port = record.metrics_url?.split(":").at(-1);
  const pidFile = `${room.home}/tunnels/${record.id}.pid`;
  assertEquals(start?.args, [
    "tunnel",
    "--url",
    `http://127.0.0.1:${room.port}`,
    "--metrics",
    `127.0.0.1:${port}`,
    "--output",
    "json",
    "--no-autoupdate",
    "--pidfile",
    pidFile,
    "--config",
    "/dev/null",
  ]);
  assertEquals(await Deno.readTextFile(pidFile), String(record.pid));
  assertEquals(((await Deno.stat(record.log_file ?? "")).mode ?? 0) & 0o777, 0o600);
  await Promise.all([tunnel.close(), tunnel.close()]);
  await tunnel.exited;
  await assertNothingLeft(room);
});

Deno.test("CloudflaredTunnels gives the child none of our keys", async () => {
  await using room = await TunnelRoom.make();
  await using _tunnel = await room.open();
  const [start] = await room.starts();
  const names = Object.keys(start?.env ?? {});
  assertNotMatch(names.join(" "), /SYNTH|API_KEY|TOKEN|SECRET/);
  assert(names.includes("PATH"));
});

Deno.test("CloudflaredTunnels trusts no certificate for another name", async () => {
  await using room = await TunnelRoom.make();
  await assertRejects(() => room.edge.fetch("https://trycloudflare.com.example/health"), Error);
  const tunnel = await room.open();
  await using _tunnel = tunnel;
  assertEquals((await room.edge.fetch(`${tunnel.url}/health`)).status, 401);
});

Deno.test("CloudflaredTunnels backs off when the quick service limits the rate", async () => {
  await using room = await TunnelRoom.make("429", "429", "429", "429", "ok");
  const clock = impatientClock();
  const waits: number[] = [];
  await using _tunnel = await room.open({ clock, deadlineMs: 600_000 }, {
    random: () => 0.5,
    onRetry: (error, ms) => {
      assertEquals(error.code, "tunnel_rate_limited");
      waits.push(ms);
    },
  });
  assertEquals(waits, [3750, 7500, 15_000, 30_000]);
  for (const ms of waits) assert(clock.slept.includes(ms));
  assertEquals((await room.starts()).length, 5);
  assertEquals((await room.records()).length, 1);
});

Deno.test("CloudflaredTunnels says that the rate is limited when the deadline comes before the next attempt", async () => {
  await using room = await TunnelRoom.make("429");
  const opening = room.open({ deadlineMs: 4_000 }, { random: () => 0.999 });
  const { hint } = await assertFails(opening, "tunnel_rate_limited", 75);
  assertStringIncludes(hint ?? "", "managed");
  await assertNothingLeft(room);
});

Deno.test("CloudflaredTunnels tries again what ends early, as often as it was told, and says what the program said", async () => {
  await using room = await TunnelRoom.make("die");
  const env = { ...room.env, SYNTH_TUNNEL_MAX_RETRIES: "1" };
  const request = { clock: impatientClock(), env: (name: string) => Reflect.get(env, name) };
  const { message } = await assertFails(room.open(request), "tunnel_ended", 69);
  assertStringIncludes(message, "no such host");
  assertEquals((await room.starts()).length, 2);
  await assertNothingLeft(room);
  await room.install(`${room.path}/bin/cloudflared`, ["ok"]);
  await using _tunnel = await room.open();
});

Deno.test("CloudflaredTunnels takes another metrics port when its own is taken", async () => {
  await using room = await TunnelRoom.make("busy", "ok");
  await using _tunnel = await room.open({ clock: impatientClock() });
  const ports = (await room.starts()).map(({ args }) => args[args.indexOf("--metrics") + 1]);
  assertEquals(ports.length, 2);
  assertNotEquals(ports[0], ports[1]);
});

for (const script of ["hang", "nameless", "unconnected"]) {
  Deno.test(`CloudflaredTunnels ends at its deadline, whatever the program does: ${script}`, async () => {
    await using room = await TunnelRoom.make(script);
    const { clock, fire } = heldTimer(77_777);
    const runner = watchedRunner();
    const opening = room.open({ clock, deadlineMs: 77_777 }, { runner });
    opening.catch(() => {});
    const { pid } = await runner.started;
    fire();
    await assertFails(opening, "deadline_exceeded");
    assert(!isRunning(pid));
    await assertNothingLeft(room);
  });
}

Deno.test("CloudflaredTunnels never gives the URL of a process that has died", async () => {
  for (const verify of [true, false]) {
    await using room = await TunnelRoom.make("die-named");
    const env = { ...room.env, SYNTH_TUNNEL_MAX_ATTEMPTS: "1" };
    const opening = room.open({ verify, env: (name) => Reflect.get(env, name) });
    if (verify) {
      const { message } = await assertFails(opening, "tunnel_ended");
      assertStringIncludes(message, "lost for good");
      await assertNothingLeft(room);
    } else {
      // It may have been opened while the program lived: then its end is told.
      const outcome = await opening.then((tunnel) => tunnel.exited, (error) => error);
      assertStringIncludes(outcome.reason ?? outcome.message, "code 7");
    }
  }
});

Deno.test("CloudflaredTunnels tells when an open tunnel's program ends", async () => {
  await using room = await TunnelRoom.make("die-connected");
  const tunnel = await room.open();
  room.edge.push(tunnel.hostname);
  const { code, reason } = await tunnel.exited;
  assertEquals(code, 9);
  assertStringIncludes(reason, "the edge told it to go");
  const [status] = await room.states.list();
  assertEquals([status?.state, status?.record.url], ["ended", tunnel.url]);
  await tunnel.close();
  await assertNothingLeft(room);
});

Deno.test("CloudflaredTunnels lets a program print as much as it likes", async () => {
  await using room = await TunnelRoom.make("flood");
  await using tunnel = await room.open();
  const { size } = await Deno.stat(`${room.home}/tunnels/${tunnel.recordId}.log`);
  assert(size > 2_000_000, `${size} bytes`);
});

Deno.test("CloudflaredTunnels kills a program that does not heed SIGTERM", async () => {
  await using room = await TunnelRoom.make("stubborn");
  const hurried: number[] = [];
  const tunnel = await room.open({ clock: impatientClock(hurried) });
  hurried.push(GRACE_MS);
  await tunnel.close();
  assertEquals((await tunnel.exited).code, null);
  await assertNothingLeft(room);
});

Deno.test("CloudflaredTunnels sends the key to no name that is not the quick service's", async () => {
  await using room = await TunnelRoom.make("foreign-name");
  await assertFails(room.open(), "tunnel_name_refused");
  assertEquals(room.edge.requests, []);
  await assertNothingLeft(room);
});

Deno.test("open passes over a cloudflared that may not be run, and says so when there is no other", async () => {
  await using room = await TunnelRoom.make();
  const first = `${room.path}/first`;
  await Deno.mkdir(`${first}/cloudflared`, { recursive: true });
  await Deno.mkdir(`${room.path}/second`);
  // Refused to root, too: its interpreter is no program.
  await Deno.writeTextFile(`${room.path}/no-program`, "", { mode: 0o644 });
  const denied = `${room.path}/second/cloudflared`;
  await Deno.writeTextFile(denied, `#!${room.path}/no-program\n`, { mode: 0o755 });
  const before = `${first}:${room.path}/second`;
  const env = { ...room.env, PATH: `${before}:${room.env["PATH"]}` };
  const request = { env: (name: string): string | undefined => Reflect.get(env, name) };
  await using tunnel = await room.open(request);
  assert(tunnel.url.startsWith("https://"));
  const alone = { env: (name: string) => name === "PATH" ? before : undefined };
  const { message } = await assertFails(room.open(alone), "cloudflared_broken", 127);
  assertStringIncludes(message, denied);
});

Deno.test("CloudflaredTunnels wants a program that works before it starts one", async () => {
  await using room = await TunnelRoom.make("version-fails");
  await assertFails(room.open(), "cloudflared_broken", 127);
  await room.install(`${room.path}/bin/cloudflared`, ["version-hangs"]);
  await assertFails(room.open({ clock: impatientClock([5_000]) }), "cloudflared_broken", 127);
  await Deno.chmod(`${room.path}/bin/cloudflared`, 0o644);
  const env = { ...room.env, PATH: `${room.path}/bin` };
  const request = { env: (name: string) => Reflect.get(env, name) };
  const { hint } = await assertFails(room.open(request), "cloudflared_not_found", 127);
  assertStringIncludes(hint ?? "", "synth tunnel install");
  assertEquals(await room.starts(), []);
  await room.install(`${room.home}/cloudflared`, ["ok"]);
  await Deno.mkdir(`${room.home}/bin`);
  await Deno.rename(`${room.home}/cloudflared`, `${room.home}/bin/cloudflared`);
  await using _tunnel = await room.open(request);
});

Deno.test("CloudflaredTunnels waits for the task app before anything is started", async () => {
  await using room = await TunnelRoom.make();
  const healthy = room.health;
  let refusals = 3;
  room.health = (request) =>
    refusals-- > 0 ? new Response(null, { status: 503 }) : healthy(request);
  const tunnel = await room.open();
  await tunnel.close();
  room.health = () => Response.json({ detail: "no" }, { status: 400 });
  await assertFails(room.open(), "health_check_unauthorized", 4);
  assertEquals((await room.starts()).length, 1);
  // Whose key nobody knows: that it answers is enough.
  await using _tunnel = await room.open({ apiKey: null });
});

Deno.test("CloudflaredTunnels asks until the edge knows the name", async () => {
  await using room = await TunnelRoom.make();
  room.edge.unknownFor = 4;
  await using tunnel = await room.open({ clock: impatientClock() });
  const asked = room.edge.requests.filter(({ hostname }) => hostname === tunnel.hostname);
  assertEquals(asked.map(({ path }) => path), Array(5).fill("/health"));
});

Deno.test("CloudflaredTunnels gives up a tunnel that does not lead to the app", async () => {
  await using room = await TunnelRoom.make();
  room.edge.answer = () => new Response("busy", { status: 502 });
  const more = { SYNTH_TUNNEL_DNS_TIMEOUT_SECS: "1", SYNTH_TUNNEL_MAX_ATTEMPTS: "1" };
  const env = { ...room.env, ...more };
  const opening = room.open({ env: (name) => Reflect.get(env, name) });
  const { message } = await assertFails(opening, "tunnel_not_reachable", 69);
  assertStringIncludes(message, "502");
  await assertNothingLeft(room);
});

Deno.test("CloudflaredTunnels does not wait for a connection when nobody wants it verified", async () => {
  await using room = await TunnelRoom.make("unconnected");
  await using tunnel = await room.open({ verify: false });
  assertMatch(tunnel.hostname, /\.trycloudflare\.com$/);
  assertEquals((await room.states.get(tunnel.recordId ?? "")).state, "disconnected");
});

Deno.test("CloudflaredTunnels leaves nothing when its caller gives up", async () => {
  await using room = await TunnelRoom.make("unconnected");
  const abort = new AbortController();
  const runner = watchedRunner();
  const opening = room.open({ signal: abort.signal }, { runner });
  opening.catch(() => {});
  const { pid } = await runner.started;
  const reason = new Error("the caller gave up");
  abort.abort(reason);
  assertEquals(await opening.catch((error) => error), reason);
  await assertNothingLeft(room);
  assert(!isRunning(pid));
  const before = await room.starts();
  await assertRejects(() => room.open({ signal: abort.signal }), Error, "gave up");
  assertEquals(await room.starts(), before);
});

Deno.test("CloudflaredTunnels does not try again what somebody closes while it opens", async () => {
  await using room = await TunnelRoom.make("unconnected");
  // Named, so recorded.
  const named = Promise.withResolvers<void>();
  const log = { ...room.log, info: (text: string) => text === "tunnel: named" && named.resolve() };
  const opening = room.open({ log: { ...log, child: () => log as never } as never });
  opening.catch(() => {});
  await named.promise;
  const [record] = await room.records();
  assertEquals(await room.states.close(record?.id ?? ""), "closed");
  await assertFails(opening, "tunnel_closed");
  assertEquals((await room.starts()).length, 1);
  await assertNothingLeft(room);
});

Deno.test("CloudflaredTunnels opens two tunnels at the same time", async () => {
  await using room = await TunnelRoom.make();
  const tunnels = await Promise.all([room.open(), room.open()]);
  assertEquals(new Set(tunnels.map(({ url }) => url)).size, 2);
  assertEquals((await room.records()).length, 2);
  await tunnels[0].close();
  const [left] = await room.states.list();
  assertEquals([left?.record.url, left?.state], [tunnels[1].url, "connected"]);
  await tunnels[1].close();
  await assertNothingLeft(room);
});

Deno.test("CloudflaredTunnels starts nothing that it could not record", async () => {
  await using room = await TunnelRoom.make();
  await Deno.writeTextFile(`${room.home}/services.json`, '{"v": 99, "services": []}');
  await assertFails(room.open(), "records_too_new");
  assertEquals([await room.running(), await room.files()], [[], []]);
});

Deno.test("CloudflaredTunnels refuses settings that are no numbers", async () => {
  await using room = await TunnelRoom.make();
  const env = { ...room.env, SYNTH_TUNNEL_MAX_ATTEMPTS: "many" };
  await assertFails(
    room.open({ env: (name) => Reflect.get(env, name) }),
    "invalid_tunnel_setting",
    2,
  );
});
