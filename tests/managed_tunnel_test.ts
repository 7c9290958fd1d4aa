/** Managed tunnels from end to end: the real commands, a real gateway, doubles of Cloudflare's API, its edge and its program. @module */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { SynthClient } from "@synth/core/api";
import { ROOM_KEY, TunnelRoom } from "../task_app/tunnels/testing/tunnel_room.ts";
import { CLOUDFLARE, type CloudflareDouble, startCloudflare } from "./support/cloudflare_double.ts";
import { edgeTunnelOf } from "./support/cloudflare_edge.ts";
import { startSynth, type SynthResult } from "./support/synth_process.ts";

/** One that the edge of the tests has a certificate for. */
const DOMAIN = "tunnels.example";

interface Bench extends AsyncDisposable {
  readonly room: TunnelRoom;
  readonly cloudflare: CloudflareDouble;
  /** Of the gateway that `synth up` runs. */
  readonly client: SynthClient;
  readonly baseUrl: string;
  /** The user's environment. */
  readonly env: Record<string, string>;
  tunnel(...args: string[]): Promise<SynthResult>;
}

async function open(): Promise<Bench> {
  await using stack = new AsyncDisposableStack();
  const room = stack.use(await TunnelRoom.make());
  const cloudflare = stack.use(startCloudflare());
  room.edge.lookup = (token) => edgeTunnelOf(cloudflare, token);
  const { ENVIRONMENT_API_KEY: _key, SYNTH_API_KEY: _own, ...basic } = room.env;
  await Deno.writeTextFile(
    `${room.path}/gateway.toml`,
    `[tunnels]
domain = "${DOMAIN}"
account_id = "${CLOUDFLARE.account}"
zone_id = "${CLOUDFLARE.zone}"
api_token_env = "CF_TOKEN"
api_url = "${cloudflare.url}"
`,
  );
  const up = ["up", "--port", "0", "--config", `${room.path}/gateway.toml`];
  const gateway = stack.use(startSynth(up, { env: { ...basic, CF_TOKEN: CLOUDFLARE.token } }));
  const baseUrl = await gateway.firstLine();
  const apiKey = (await Deno.readTextFile(`${room.home}/api_key`)).trim();
  const env = {
    ...basic,
    ...room.edge.environment(room.path),
    ENVIRONMENT_API_KEY: ROOM_KEY,
  };
  const kept = stack.move();
  return {
    room,
    cloudflare,
    client: new SynthClient({ baseUrl, apiKey }),
    baseUrl,
    env,
    tunnel: (...args) =>
      startSynth(["tunnel", ...args], { cwd: room.path, env, permissions: ["run"] }).result,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function variables(path: string): Promise<Record<string, string>> {
  const lines = (await Deno.readTextFile(path)).trim().split("\n");
  return Object.fromEntries(lines.map((line) => line.split(/=(.*)/s, 2)));
}

Deno.test("synth tunnel open --mode managed makes a tunnel at our gateway, runs it again on another day, and leaves it there", async () => {
  await using bench = await open();
  const { room, cloudflare, client } = bench;
  const managed = [
    "open",
    "--mode",
    "managed",
    "--port",
    String(room.port),
    "--json",
    "--timeout",
    "30",
  ];
  const opened = await bench.tunnel(...managed, "--subdomain", "Math");
  assertEquals(opened.code, 0, opened.stderr);
  const view = JSON.parse(opened.stdout);
  const url = `https://math.${DOMAIN}`;
  assertEquals([view.url, view.mode, view.verified], [url, "managed", true]);
  const [made] = await client.tunnels.list();
  assert(made !== undefined);
  assertEquals([made.hostname, made.local_port], [`math.${DOMAIN}`, room.port]);
  const secrets = await client.tunnels.credentials(made.id);
  const env = await variables(`${room.path}/.env`);
  assertEquals(env, {
    TASK_APP_URL: url,
    CF_ACCESS_CLIENT_ID: secrets.access_client_id,
    CF_ACCESS_CLIENT_SECRET: secrets.access_client_secret,
  });
  assertEquals(((await Deno.stat(`${room.path}/.env`)).mode ?? 0) & 0o777, 0o600);
  // Access lets nobody through without them.
  assertEquals((await room.edge.fetch(`${url}/health`)).status, 403);
  assertEquals(room.edge.requests[0]?.headers.get("cf-access-client-id"), env.CF_ACCESS_CLIENT_ID);
  const [start] = await room.starts();
  assertEquals(start?.env["TUNNEL_TOKEN"], secrets.tunnel_token);
  const list = JSON.parse((await bench.tunnel("list", "--json")).stdout);
  assertEquals([list.length, list[0].state, list[0].url], [1, "connected", url]);

  // With what was written for it, whatever the environment has of another one.
  bench.env.CF_ACCESS_CLIENT_ID = "of-another";
  bench.env.CF_ACCESS_CLIENT_SECRET = "of-another";
  const status = await bench.tunnel("status", view.id, "--json");
  assertEquals([status.code, JSON.parse(status.stdout).health], [0, "healthy"], status.stderr);
  delete bench.env.CF_ACCESS_CLIENT_ID;
  delete bench.env.CF_ACCESS_CLIENT_SECRET;

  const logs = await bench.tunnel("logs", view.id);
  assertEquals((await bench.tunnel("close", view.id)).code, 0);
  assertEquals([await room.running(), await room.records(), await room.files()], [[], [], []]);
  assertEquals(cloudflare.size(), 5);

  const again = await bench.tunnel(...managed);
  assertEquals([again.code, JSON.parse(again.stdout || "{}").url], [0, url], again.stderr);
  assertEquals((await client.tunnels.list()).length, 1);
  const shown = JSON.stringify([opened, logs, again, await room.records(), list]) +
    JSON.stringify((await room.starts()).map(({ args }) => args));
  const { tunnel_token, access_client_id, access_client_secret } = secrets;
  for (const secret of [tunnel_token, access_client_id, access_client_secret, CLOUDFLARE.token]) {
    assert(!shown.includes(secret));
  }
  const rotated = await client.tunnels.rotate(made.id);
  await bench.tunnel("close", "--all");
  assertEquals((await bench.tunnel(...managed)).code, 0);
  assertEquals((await room.starts()).at(-1)?.env["TUNNEL_TOKEN"], rotated.tunnel_token);
  await bench.tunnel("close", "--all");

  assertEquals((await bench.tunnel("delete", "another")).code, 3);
  const deleted = await bench.tunnel("delete", "math", "--json");
  assertEquals([deleted.code, JSON.parse(deleted.stdout || "{}").status], [0, "deleted"]);
  assertEquals([cloudflare.size(), await client.tunnels.list({ status: "all" })], [0, []]);
});

Deno.test("synth tunnel open --mode managed takes back what it made when nobody answers through it, and says why the gateway refuses", async () => {
  await using bench = await open();
  const { room, cloudflare, client } = bench;
  const managed = ["open", "--mode", "managed", "--port", String(room.port), "--no-env-file"];
  room.edge.answer = () => new Response("<html>", { status: 502 });
  bench.env.SYNTH_TUNNEL_DNS_TIMEOUT_SECS = "1";
  bench.env.SYNTH_TUNNEL_MAX_ATTEMPTS = "1";
  const failed = await bench.tunnel(...managed);
  assertEquals(failed.code, 69, failed.stderr);
  assertStringIncludes(failed.stderr, "tunnel_not_reachable");
  assertEquals([cloudflare.size(), await client.tunnels.list({ status: "all" })], [0, []]);
  room.edge.answer = null;
  cloudflare.fail(/^POST .*access\/apps$/, "403");
  const denied = await bench.tunnel(...managed);
  assertEquals(denied.code, 1, denied.stderr);
  assertStringIncludes(denied.stderr, "tunnel_provider_denied");
  assertEquals([cloudflare.size(), await room.running()], [0, []]);
  assert(!(failed.stderr + denied.stderr).includes(CLOUDFLARE.token));
  await client.tunnels.create({ local_port: 1, subdomain: "other" });
  const elsewhere = await bench.tunnel(...managed);
  assertEquals(elsewhere.code, 1);
  assertStringIncludes(elsewhere.stderr, "tunnel_port_mismatch");
  const missing = await bench.tunnel(...managed, "--subdomain", "mine");
  assertEquals(missing.code, 3);
  const created = await bench.tunnel(...managed, "--subdomain", "mine", "--create", "--no-wait");
  assertEquals([created.code, created.stdout], [0, `https://mine.${DOMAIN}\n`]);
  const ambiguous = await bench.tunnel(...managed);
  assertEquals(ambiguous.code, 2);
  assertStringIncludes(ambiguous.stderr, "tunnel_ambiguous");
  await bench.tunnel("close", "--all");
});

Deno.test("InProcessTaskApp is reached through a managed tunnel of our gateway, on the port that it was made for", async () => {
  await using bench = await open();
  const { room, client } = bench;
  const script = `
    import { InProcessTaskApp } from "@synth/task-app/in-process";
    await using app = await InProcessTaskApp.start({
      app: () => Response.json({ healthy: true }), port: Number(Deno.env.get("APP_PORT")),
      apiKey: null, tunnelMode: "managed",
    });
    const bare = await fetch(app.url + "/health");
    await bare.body?.cancel();
    const { status } = await fetch(app.url + "/health", { headers: app.accessHeaders() });
    console.log(JSON.stringify({ url: app.url, port: app.port, status, bare: bare.status }));
  `;
  const config = new URL("../deno.json", import.meta.url).pathname;
  const run = async (appPort: number): Promise<Record<string, unknown>> => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--quiet", "--config", config, script],
      cwd: room.path,
      env: {
        ...bench.env,
        APP_PORT: String(appPort),
        BACKEND_BASE_URL: bench.baseUrl,
        SYNTH_API_KEY: (await Deno.readTextFile(`${room.home}/api_key`)).trim(),
      },
      stdin: "null",
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    return JSON.parse(new TextDecoder().decode(stdout));
  };
  const first = await run(0);
  assertMatch(String(first["url"]), /^https:\/\/tunnel-[0-9]+\.tunnels\.example$/);
  assertEquals([first["status"], first["bare"]], [200, 403]);
  const [made, ...others] = await client.tunnels.list();
  assertEquals([made?.local_port, others], [first["port"], []]);
  // Wherever it wants to listen, it goes where the tunnel leads.
  assertEquals(await run(0), first);
  assertEquals([await room.running(), await room.records(), await room.files()], [[], [], []]);
});

Deno.test("synth tunnel open --mode managed takes no tunnel of another user of the org, unless it is named", async () => {
  await using bench = await open();
  const { room, client } = bench;
  await client.tunnels.create({ local_port: room.port, subdomain: "hers" });
  const made = await startSynth(["keys", "create", "--user", "bob", "--scopes", "sessions"], {
    env: bench.env,
  }).result;
  assertEquals(made.code, 0, made.stderr);
  bench.env.SYNTH_API_KEY = /sk_synth_[A-Za-z0-9_-]{43}/.exec(made.stdout)?.[0] ?? "";
  const managed = ["open", "--mode", "managed", "--port", String(room.port), "--no-env-file"];
  const opened = await bench.tunnel(...managed);
  assertEquals(opened.code, 0, opened.stderr);
  assertEquals(opened.stdout, `https://tunnel-${room.port}.${DOMAIN}\n`);
  assertEquals((await client.tunnels.list()).map(({ user_id }) => user_id)[0], "bob");
  const hers = await bench.tunnel(...managed, "--subdomain", "hers");
  assertStringIncludes(hers.stderr, "not_tunnel_owner");
  await bench.tunnel("close", "--all");
});
