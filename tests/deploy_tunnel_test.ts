/** `synth deploy --runtime tunnel`, with a `cloudflared` and an edge of the tests. @module */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { isRunning } from "../task_app/tunnels/testing/tunnel_room.ts";
import { DEPLOY_KEY, DeployRoom, ECHO_APP } from "./support/deploy_room.ts";

const ARGS = ["app.ts", "--port", "0", "--runtime", "tunnel"];

Deno.test("synth deploy --runtime tunnel leaves app and tunnel, writes .env, and stop ends both", async () => {
  await using room = await DeployRoom.make();
  await room.write(".env", "export OTHER=1\nTASK_APP_URL=https://old.example\n");
  const app = await room.json(ARGS);
  assert(app.url.endsWith(".trycloudflare.com"));
  const answer = await room.machine.edge.fetch(`${app.url}/health`, {
    headers: { "x-api-key": DEPLOY_KEY },
  });
  assertEquals((await answer.json()).service, "echo");
  const text = await Deno.readTextFile(`${room.path}/.env`);
  assertEquals(text, `export OTHER=1\nTASK_APP_URL=${app.url}\n`);
  assertEquals(((await Deno.stat(`${room.path}/.env`)).mode ?? 0) & 0o777, 0o600);
  const status = await room.json<{ state: string; tunnels: { id: string; state: string }[] }>(
    ["status", "app"],
  );
  assertEquals(status.state, "running");
  assertEquals(status.tunnels.map(({ id, state }) => [id, state]), [[app.tunnel?.id, "connected"]]);
  const [start] = await room.machine.starts();
  assert(start);
  assertEquals(Object.values(start.env).includes(DEPLOY_KEY), false);
  await room.json<unknown>(["stop", "app"]);
  assertEquals([await room.left(), await room.machine.running(), isRunning(app.pid)], [
    [],
    [],
    false,
  ]);
});

Deno.test("synth deploy --runtime tunnel undoes the app when the tunnel fails", async () => {
  for (const [script, code] of [["die", "tunnel_ended"], ["die-named", "tunnel_ended"]]) {
    await using room = await DeployRoom.make(ECHO_APP, script ?? "");
    const result = await room.deploy([...ARGS, "--json"], { SYNTH_TUNNEL_MAX_ATTEMPTS: "1" });
    assertEquals(result.code === 0, false, script);
    assertStringIncludes(result.stderr, code ?? "");
    assertEquals([result.stdout, await room.left(), await room.machine.running()], ["", [], []]);
    assertEquals(await Deno.stat(`${room.path}/.env`).catch(() => null), null);
  }
});

Deno.test("synth deploy --runtime tunnel undoes app and tunnel when .env cannot be written", async () => {
  await using room = await DeployRoom.make();
  await Deno.mkdir(`${room.path}/.env`);
  const result = await room.deploy([...ARGS, "--json"]);
  assertEquals(result.code, 1, result.stderr);
  assertStringIncludes(result.stderr, "env_file_unreadable");
  assertEquals([await room.left(), await room.machine.running()], [[], []]);
});

Deno.test("a deployment whose tunnel died says so, and its app is still ended by stop", async () => {
  await using room = await DeployRoom.make();
  const app = await room.json(ARGS);
  const [tunnel] = await room.machine.running();
  assert(tunnel !== undefined);
  Deno.kill(tunnel, "SIGKILL");
  while (isRunning(tunnel));
  const status = await room.deploy(["status", "app", "--json"]);
  assertEquals([status.code, JSON.parse(status.stdout).state], [6, "tunnel_down"]);
  assert(isRunning(app.pid));
  await room.json<unknown>(["stop", "app"]);
  assertEquals([await room.left(), isRunning(app.pid)], [[], false]);
});

Deno.test("a managed tunnel needs a key of its backend, a quick one does not", async () => {
  await using room = await DeployRoom.make();
  const { code, stderr } = await room.deploy([...ARGS, "--tunnel-mode", "managed"], {
    BACKEND_BASE_URL: "http://127.0.0.1:1",
  });
  assertEquals(code, 4, stderr);
  assertStringIncludes(stderr, "no_api_key");
  assertEquals(await room.left(), []);
});

Deno.test("synth deploy --runtime tunnel says what to install without a cloudflared", async () => {
  await using room = await DeployRoom.make();
  const { code, stderr } = await room.deploy(ARGS, { PATH: "/usr/bin:/bin" });
  assertEquals(code, 127, stderr);
  assertStringIncludes(stderr, "cloudflared_not_found");
  assertEquals(await room.left(), []);
});
