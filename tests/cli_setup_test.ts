/** `synth setup`, `doctor` and `state`, as their users run them. @module */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { startGatewayProcess } from "./support/gateway_process.ts";
import {
  runSynth,
  startSynth,
  type SynthResult,
  temporaryDirectory,
} from "./support/synth_process.ts";

async function modeOf(path: string): Promise<number> {
  return ((await Deno.stat(path)).mode ?? 0) & 0o777;
}

function done(result: SynthResult): SynthResult {
  assertEquals(result.code, 0, result.stdout + result.stderr);
  return result;
}

Deno.test("synth setup --local makes both keys once, private, and never shows them whole", async () => {
  await using home = await temporaryDirectory();
  const env = { SYNTH_HOME: home.path };
  const first = done(await runSynth(["setup", "--local", "--json"], { env }));
  const key = (await Deno.readTextFile(`${home.path}/api_key`)).trim();
  const kept = JSON.parse(await Deno.readTextFile(`${home.path}/credentials.json`));
  assertEquals(await modeOf(`${home.path}/api_key`), 0o600);
  assertEquals(await modeOf(`${home.path}/credentials.json`), 0o600);
  assert(!(first.stdout + first.stderr).includes(key));
  assert(!(first.stdout + first.stderr).includes(kept.environment_api_key));
  assertEquals(JSON.parse(first.stdout).made, true);
  const second = done(await runSynth(["setup", "--local", "--json"], { env }));
  assertEquals(JSON.parse(second.stdout).made, false);
  assertEquals((await Deno.readTextFile(`${home.path}/api_key`)).trim(), key);
  assertEquals(JSON.parse(await Deno.readTextFile(`${home.path}/credentials.json`)), kept);
});

Deno.test("synth up takes up the key that synth setup --local made", async () => {
  await using home = await temporaryDirectory();
  const env = { SYNTH_HOME: home.path };
  done(await runSynth(["setup", "--local"], { env }));
  await using up = startSynth(["up", "--port", "0"], { env });
  await up.firstLine();
  done(await runSynth(["balance"], { env }));
  up.child.kill("SIGTERM");
  assertEquals((await up.result).code, 0);
});

Deno.test("synth setup gets keys from a backend, and sends them nowhere else", async () => {
  const seen: string[] = [];
  let asked = 0;
  await using backend = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (r) => {
    const { pathname } = new URL(r.url);
    seen.push(`${pathname} ${await r.text()} ${r.headers.get("authorization") ?? ""}`);
    if (pathname.endsWith("/init")) {
      return Response.json({
        device_code: "dev-1",
        verification_uri: "/confirm?c=1",
        expires_in: 30,
        interval: 0.01,
      });
    }
    if (++asked < 3) return Response.json({ error: "pending" }, { status: 428 });
    return Response.json({
      org: { name: "acme" },
      keys: { synth: "sk_from_backend_0001", rl_env: "env_from_backend_0001" },
    });
  });
  await using home = await temporaryDirectory();
  const origin = `http://127.0.0.1:${backend.addr.port}`;
  const env = { SYNTH_HOME: home.path };
  const result = done(
    await runSynth(["setup", "--backend", `${origin}/dashboard`, "--json"], { env }),
  );
  assertStringIncludes(result.stderr, `${origin}/confirm?c=1`);
  assert(!(result.stdout + result.stderr).includes("sk_from_backend_0001"));
  assertEquals(JSON.parse(result.stdout).org, "acme");
  assertEquals(seen[0], "/api/sdk/handshake/init {} ");
  assertEquals(seen[1], '/api/sdk/handshake/token {"device_code":"dev-1"} ');
  const path = `${home.path}/credentials.json`;
  assertEquals(await modeOf(path), 0o600);
  assertEquals(JSON.parse(await Deno.readTextFile(path)).backend, origin);
  // Sent to the backend that gave it; another address gets no key.
  await runSynth(["balance", "--base-url", origin], { env });
  assertEquals(seen.at(-1), "/api/v1/me  Bearer sk_from_backend_0001");
  const other = await runSynth(["balance", "--base-url", "http://127.0.0.1:9"], { env });
  assertEquals(other.code, 4);
});

Deno.test("synth setup fails plainly", async () => {
  await using gone = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (r) =>
      r.url.endsWith("/init")
        ? Response.json({ device_code: "d", verification_uri: "/", interval: 0.01 })
        : Response.json({}, { status: 410 }),
  );
  await using home = await temporaryDirectory();
  const env = { SYNTH_HOME: home.path };
  const codes: [string[], number][] = [
    [["--backend", `http://127.0.0.1:${gone.addr.port}`], 4],
    [["--backend", "http://127.0.0.1:9"], 69],
    [["--backend", "http://example.com"], 2],
    [["--backend", "nonsense"], 2],
    [["--backend", "https://a.example", "--local"], 2],
    [[], 2],
  ];
  for (const [flags, code] of codes) {
    const result = await runSynth(["setup", ...flags], { env });
    assertEquals([result.code, result.stdout], [code, ""], flags.join(" "));
  }
});

Deno.test("synth doctor names each fault with its fix, exit code 6", async () => {
  await using gateway = await startGatewayProcess({ config: "" });
  await using home = await temporaryDirectory();
  const env = { SYNTH_HOME: home.path, SYNTH_API_KEY: gateway.apiKey };
  const good = done(await runSynth(["doctor", "--base-url", gateway.origin, "--json"], { env }));
  const { ok, checks } = JSON.parse(good.stdout);
  assertEquals(ok, true);
  const status = (name: string): string =>
    checks.find((check: { name: string }) => check.name === name)?.status;
  assertEquals(["configuration", "state", "gateway", "key"].map(status), ["ok", "ok", "ok", "ok"]);
  assertEquals(status("models"), "warn");
  const wrongKey = await runSynth(["doctor", "--base-url", gateway.origin], {
    env: { ...env, SYNTH_API_KEY: "sk_synth_wrong" },
  });
  assertEquals(wrongKey.code, 6);
  assertStringIncludes(wrongKey.stdout, "fail  key");
  assert(!wrongKey.stdout.includes("sk_synth_wrong"));
  const away = await runSynth(["doctor", "--base-url", "http://127.0.0.1:9"], { env });
  assertEquals(away.code, 6);
  assertStringIncludes(away.stdout, "fail  gateway");
  assertStringIncludes(away.stdout, "skip  models");
  await Deno.writeTextFile(`${home.path}/synth.toml`, "[gateway]\nprot = 1\n");
  await Deno.chmod(home.path, 0o755);
  const broken = await runSynth(["doctor"], { env });
  assertStringIncludes(broken.stdout, "fail  configuration");
  assertStringIncludes(broken.stdout, `chmod 700 ${home.path}`);
  await Deno.chmod(home.path, 0o700);
});

Deno.test("synth state backs up under a running gateway and restores only without one", async () => {
  await using home = await temporaryDirectory();
  await using place = await temporaryDirectory();
  const env = { SYNTH_HOME: home.path };
  const target = `${place.path}/copy`;
  {
    await using up = startSynth(["up", "--port", "0"], { env });
    await up.firstLine();
    const args = ["session", "create", "--limit-cost-usd", "1"];
    const id = done(await runSynth(args, { env })).stdout.trim();
    assertEquals(done(await runSynth(["state", "backup", target], { env })).stdout.trim(), target);
    assertEquals(await modeOf(target), 0o700);
    for await (const file of Deno.readDir(target)) {
      assertEquals(await modeOf(`${target}/${file.name}`), 0o600, file.name);
    }
    assertEquals((await runSynth(["state", "backup", target], { env })).code, 2);
    // Behind the back of the record, too: the databases are in use.
    await Deno.remove(`${home.path}/gateway.json`);
    const refused = await runSynth(["state", "restore", target], { env });
    assertEquals(refused.code, 1);
    assertStringIncludes(refused.stderr, "[gateway_running]");
    const url = await up.firstLine();
    done(await runSynth(["session", "end", id, "--base-url", url], { env }));
    up.child.kill("SIGTERM");
    await up.result;
  }
  const key = await Deno.readTextFile(`${home.path}/api_key`);
  await Deno.remove(`${home.path}/api_key`);
  const restored = done(await runSynth(["state", "restore", target, "--json"], { env }));
  assertEquals(JSON.parse(restored.stdout).restored.includes("ledger.db"), true);
  assertEquals(await Deno.readTextFile(`${home.path}/api_key`), key);
  await using up = startSynth(["up", "--port", "0"], { env });
  await up.firstLine();
  const sessions = JSON.parse(done(await runSynth(["session", "list", "--json"], { env })).stdout);
  assertEquals(sessions.map((one: { status: string }) => one.status), ["active"]);
  up.child.kill("SIGTERM");
  await up.result;
});

Deno.test("synth state restores no damaged backup, and nothing of it", async () => {
  await using home = await temporaryDirectory();
  await using place = await temporaryDirectory();
  const env = { SYNTH_HOME: home.path };
  const target = `${place.path}/copy`;
  assertEquals((await runSynth(["state", "backup", target], { env })).code, 3);
  done(await runSynth(["setup", "--local"], { env }));
  done(await runSynth(["state", "backup", target], { env }));
  await Deno.writeTextFile(`${target}/credentials.json`, "{}");
  const key = await Deno.readTextFile(`${home.path}/api_key`);
  const damaged = await runSynth(["state", "restore", target], { env });
  assertEquals(damaged.code, 1);
  assertStringIncludes(damaged.stderr, "[backup_damaged]");
  assertEquals(await Deno.readTextFile(`${home.path}/api_key`), key);
  await Deno.writeTextFile(
    `${target}/backup.json`,
    JSON.stringify({ v: 1, created_at: "", files: [{ name: "../../x", sha256: "0".repeat(64) }] }),
  );
  assertEquals((await runSynth(["state", "restore", target], { env })).code, 2);
});
