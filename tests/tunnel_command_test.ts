/** `synth tunnel`, as its users run it: a real command, a double of cloudflared, an edge whose certificates are checked. @module */
import { ServiceRecords } from "@synth/task-app/records";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { isRunning, ROOM_KEY, TunnelRoom } from "../task_app/tunnels/testing/tunnel_room.ts";
import { startSynth, type SynthProcess, type SynthResult } from "./support/synth_process.ts";

class CommandRoom implements AsyncDisposable {
  readonly room: TunnelRoom;
  /** More of the environment; what is empty is taken out. */
  env: Record<string, string> = {};

  private constructor(room: TunnelRoom) {
    this.room = room;
  }

  static async make(...scripts: string[]): Promise<CommandRoom> {
    return new CommandRoom(await TunnelRoom.make(...scripts));
  }

  start(...args: string[]): SynthProcess {
    const { room } = this;
    const env = { ...room.env, ...room.edge.environment(room.path), ...this.env };
    return startSynth(["tunnel", ...args], {
      cwd: room.path,
      env: Object.fromEntries(Object.entries(env).filter(([, value]) => value !== "")),
      permissions: ["run"],
    });
  }

  async run(...args: string[]): Promise<SynthResult> {
    return await this.start(...args).result;
  }

  async json<T>(...args: string[]): Promise<T> {
    const { stdout, stderr } = await this.run(...args, "--json");
    assert(stdout !== "", stderr);
    return JSON.parse(stdout);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.room[Symbol.asyncDispose]();
  }
}

interface View {
  readonly id: string;
  readonly state: string;
  readonly url: string;
  readonly pid: number;
  readonly health?: string;
}

Deno.test("synth tunnel opens in the background, tells the truth, and closes by id", async () => {
  await using synth = await CommandRoom.make();
  const { room } = synth;
  const opened = await synth.run("open", "--port", String(room.port));
  assertEquals(opened.code, 0, opened.stderr);
  const url = opened.stdout.trim();
  assertMatch(url, /^https:\/\/[a-z0-9-]+\.trycloudflare\.com$/);
  // The command has ended, its child has not.
  assertEquals((await room.running()).length, 1);
  const env = `${room.path}/.env`;
  assertEquals(await Deno.readTextFile(env), `TASK_APP_URL=${url}\n`);
  assertEquals(((await Deno.stat(env)).mode ?? 0) & 0o777, 0o600);
  const [first, ...others] = await synth.json<View[]>("list");
  assert(first !== undefined && others.length === 0);
  assertEquals([first.state, first.url], ["connected", url]);
  const status = await synth.json<View>("status", first.id);
  assertEquals([status.state, status.health], ["connected", "healthy"]);
  const seen = room.edge.requests.length;
  for (
    const change of [{ url: "https://elsewhere.example" }, {
      url: "https://e.example",
      hostname: "e.example",
    }]
  ) {
    const records = new ServiceRecords({ home: room.home });
    const kept = await records.get(first.id);
    assert(kept?.type === "tunnel");
    await records.update(first.id, () => ({ ...kept, ...change }));
    const edited = await synth.run("status", first.id, "--json");
    assertEquals([edited.code, JSON.parse(edited.stdout).health], [6, null]);
    await records.update(first.id, () => kept);
  }
  assertEquals(room.edge.requests.length, seen);
  const logs = await synth.run("logs", first.id, "--lines", "1");
  assertStringIncludes(logs.stdout, "Registered tunnel connection");
  await using following = synth.start("logs", first.id, "--follow", "--lines", "1");
  await following.firstLine();
  const closed = await synth.run("close", first.id);
  assertEquals([closed.code, closed.stderr], [0, `${first.id} is closed\n`]);
  assertEquals((await following.result).code, 0);
  assertEquals([await room.running(), await room.records(), await room.files()], [[], [], []]);
  const again = await synth.run("close", first.id);
  assertEquals(again.code, 3);
  assertStringIncludes(again.stderr, "tunnel_not_found");
});

Deno.test("synth tunnel tells the truth after its parent was killed, and after its child was", async () => {
  await using synth = await CommandRoom.make();
  const { room } = synth;
  const port = String(room.port);
  await using parent = synth.start("open", "--port", port, "--foreground", "--no-env-file");
  await parent.firstLine();
  parent.child.kill("SIGKILL");
  await parent.result;
  const [orphan] = await synth.json<View[]>("list");
  assertEquals([orphan?.state, await room.running()], ["connected", [orphan?.pid]]);
  Deno.kill(orphan?.pid ?? 0, "SIGKILL");
  const dead = await synth.run("status", orphan?.id ?? "", "--json");
  assertEquals([dead.code, JSON.parse(dead.stdout).state], [6, "ended"]);
  assertEquals(JSON.parse(dead.stdout).health, null);
  const { stderr } = await synth.run("close", "--all");
  assertEquals(stderr, `${orphan?.id} had ended before\n`);
  assertEquals([await room.records(), await room.files()], [[], []]);
});

Deno.test("synth tunnel finds what a killed opening has left", async () => {
  await using synth = await CommandRoom.make("unconnected");
  const { room } = synth;
  await using parent = synth.start("open", "--port", String(room.port));
  // As soon as it is in the records.
  const watcher = Deno.watchFs(room.home);
  for await (const _event of watcher) {
    if ((await room.records()).length > 0) break;
  }
  parent.child.kill("SIGKILL");
  await parent.result;
  const [left] = await synth.json<View[]>("list");
  assert(["opening", "disconnected"].includes(left?.state ?? ""), left?.state);
  assertEquals((await synth.run("close", "--all")).code, 0);
  assertEquals([isRunning(left?.pid ?? 0), await room.records()], [false, []]);
});

Deno.test("synth tunnel open --foreground closes the tunnel on SIGINT, and says when it ends by itself", async () => {
  await using synth = await CommandRoom.make("ok", "die-connected");
  const { room } = synth;
  const args = ["open", "--port", String(room.port), "--foreground", "--no-env-file"];
  await using stopped = synth.start(...args);
  await stopped.firstLine();
  stopped.child.kill("SIGINT");
  assertEquals((await stopped.result).code, 0);
  assertEquals([await room.running(), await room.records()], [[], []]);
  await using ended = synth.start(...args);
  const url = await ended.firstLine();
  room.edge.push(new URL(url).hostname);
  const { code, stderr } = await ended.result;
  assertEquals(code, 1);
  assertStringIncludes(stderr, "the edge told it to go");
  assertEquals(await room.records(), []);
});

Deno.test("synth tunnel open is interrupted without a trace", async () => {
  await using synth = await CommandRoom.make("unconnected");
  const { room } = synth;
  await using opening = synth.start("open", "--port", String(room.port));
  const watcher = Deno.watchFs(room.home);
  for await (const _event of watcher) {
    if ((await room.records()).length > 0) break;
  }
  opening.child.kill("SIGINT");
  assertEquals((await opening.result).code, 130);
  assertEquals([await room.running(), await room.records(), await room.files()], [[], [], []]);
});

Deno.test("synth tunnel open that is interrupted while the gateway makes a tunnel has it deleted", async () => {
  await using synth = await CommandRoom.make();
  const { room } = synth;
  const making = Promise.withResolvers<null>();
  const made = Promise.withResolvers<Response>();
  const calls: string[] = [];
  await using backend = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => {
      const { method } = request;
      calls.push(`${method} ${new URL(request.url).pathname}`);
      if (method === "GET") return Response.json([]);
      if (method === "DELETE") return Response.json({ id: "tun_1", status: "deleted" });
      making.resolve(null);
      return made.promise;
    },
  );
  synth.env = { BACKEND_BASE_URL: `http://127.0.0.1:${backend.addr.port}` };
  await using opening = synth.start("open", "--port", String(room.port), "--mode", "managed");
  await making.promise;
  opening.child.kill("SIGINT");
  await opening.saysOnStderr("Taking back what was begun");
  const entry = { id: "tun_1", org_id: "org_1", hostname: "mine.tunnels.example" };
  made.resolve(Response.json({ ...entry, tunnel_token: "token-of-the-tests" }, { status: 201 }));
  const { code, stdout } = await opening.result;
  assertEquals([code, stdout], [130, ""]);
  assertEquals(calls.at(-1), "DELETE /api/v1/tunnels/tun_1");
  assertEquals([await room.starts(), await room.records()], [[], []]);
});

Deno.test("synth tunnel open trusts no edge that it has no certificate of", async () => {
  await using synth = await CommandRoom.make();
  synth.env = { DENO_CERT: "", SYNTH_TUNNEL_DNS_TIMEOUT_SECS: "1", SYNTH_TUNNEL_MAX_ATTEMPTS: "1" };
  const { code, stderr } = await synth.run("open", "--port", String(synth.room.port));
  assertEquals(code, 69, stderr);
  assertStringIncludes(stderr, "tunnel_not_reachable");
  assertEquals(synth.room.edge.requests, []);
});

Deno.test("synth tunnel open refuses what makes no sense, and says what is missing", async () => {
  await using synth = await CommandRoom.make();
  const port = String(synth.room.port);
  const cases: [string[], number, string][] = [
    [["open"], 2, "--port PORT"],
    [["open", "--port", port, "--url", "http://127.0.0.1:1"], 2, "once"],
    [["open", "--url", "https://example.org"], 2, "no address of this machine"],
    [["open", "--port", port, "--subdomain", "x"], 2, "--mode managed"],
    [["open", "--file", "nobody.ts"], 3, "synth serve nobody.ts"],
    [["close"], 2, "--all"],
    [["status", "svc_x"], 3, "tunnel_not_found"],
    [["install"], 2, "install_checksum_needed"],
    [["open", "--port", port, "--mode", "managed"], 69, "no_gateway"],
  ];
  for (const [args, code, text] of cases) {
    const result = await synth.run(...args);
    assertEquals(result.code, code, `${args.join(" ")}: ${result.stderr}`);
    assertStringIncludes(result.stderr, text);
  }
  synth.env = { PATH: `${synth.room.path}/nothing` };
  const missing = await synth.run("open", "--port", port);
  assertEquals(missing.code, 127);
  assertStringIncludes(missing.stderr, "cloudflared_not_found");
});

Deno.test("synth tunnel shows no secret", async () => {
  await using synth = await CommandRoom.make();
  const { room } = synth;
  const opened = await synth.run("open", "--url", `http://localhost:${room.port}`, "--json");
  const view = JSON.parse(opened.stdout);
  assertEquals([view.port, view.verified], [room.port, true]);
  const all = [
    opened,
    await synth.run("list"),
    await synth.run("status"),
    await synth.run("logs", view.id),
  ];
  const seen = JSON.stringify([all, await room.starts(), await room.records()]);
  assert(!seen.includes(ROOM_KEY) && !seen.includes("sk_synth_of_the_tunnel_tests"));
  await synth.run("close", "--all");
});

Deno.test("InProcessTaskApp opens a quick tunnel when nobody says what opens tunnels", async () => {
  await using synth = await CommandRoom.make();
  const { room } = synth;
  const script = `
    import { InProcessTaskApp } from "@synth/task-app/in-process";
    await using app = await InProcessTaskApp.start({
      app: () => Response.json({ healthy: true }), port: 0, apiKey: null,
    });
    const { status } = await fetch(app.url + "/health");
    console.log(JSON.stringify({ url: app.url, status, mode: app.tunnelMode }));
  `;
  const config = new URL("../deno.json", import.meta.url).pathname;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", "--config", config, script],
    cwd: room.path,
    env: { ...room.env, ...room.edge.environment(room.path) },
    stdin: "null",
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  const seen = JSON.parse(new TextDecoder().decode(stdout));
  assertEquals([seen.status, seen.mode], [200, "quick"]);
  assertMatch(seen.url, /^https:\/\/[a-z0-9-]+\.trycloudflare\.com$/);
  assertEquals([await room.running(), await room.records(), await room.files()], [[], [], []]);
});

Deno.test("synth serve --tunnel quick is reached from outside, and synth tunnel open --file finds what it serves", async () => {
  await using synth = await CommandRoom.make();
  const { room } = synth;
  await Deno.writeTextFile(
    `${room.path}/app.ts`,
    "export default { fetch: () => Response.json({ healthy: true }) };",
  );
  await using served = startSynth(["serve", "app.ts", "--tunnel", "quick", "--port", "0"], {
    cwd: room.path,
    env: { ...room.env, ...room.edge.environment(room.path) },
    permissions: ["run"],
  });
  assertMatch(await served.firstLine(), /\.trycloudflare\.com$/);
  const second = await synth.run("open", "--file", "app.ts", "--no-env-file");
  assertEquals(second.code, 0, second.stderr);
  const tunnels = await synth.json<(View & { service_id: string | null })[]>("list");
  assertEquals(tunnels.map(({ state }) => state), ["connected", "connected"]);
  assert(tunnels[1]?.service_id !== null);
  served.child.kill("SIGTERM");
  assertEquals((await served.result).code, 0);
  assertEquals((await synth.json<View[]>("list")).map(({ id }) => id), [tunnels[1]?.id]);
  await synth.run("close", "--all");
});
