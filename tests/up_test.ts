import {
  assert,
  assertEquals,
  assertMatch,
  assertNotMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { KeyStore } from "@synth/core/auth";
import { documentMigrations, SqliteDocumentStore } from "@synth/core/storage";
import { openSqlite } from "@synth/core/storage/sqlite";
import { runSynth, startSynth, temporaryDirectory } from "./support/synth_process.ts";

/** Signals and modes of files: Windows has neither, and the run says that it leaves these out. */
const POSIX = { ignore: Deno.build.os === "windows" };
const KEY_LINE = /^ {2}(sk_synth_[A-Za-z0-9_-]{43})$/m;

async function ask(url: string, key: string, path = "/v1/models"): Promise<Response> {
  return await fetch(url + path, { headers: { authorization: `Bearer ${key}` } });
}

async function statusOf(url: string, key: string): Promise<number> {
  const response = await ask(url, key);
  await response.body?.cancel();
  return response.status;
}

async function mode(path: string): Promise<number> {
  return ((await Deno.stat(path)).mode ?? 0) & 0o777;
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

Deno.test(
  "synth up works without configuration, shows its key once, stops on SIGTERM",
  POSIX,
  async () => {
    await using root = await temporaryDirectory();
    const home = `${root.path}/home`;
    let key: string;
    {
      await using synth = startSynth(["up", "--port", "0"], { env: { SYNTH_HOME: home } });
      const url = await synth.firstLine();
      const text = await synth.saysOnStderr("curl http");
      key = KEY_LINE.exec(text)?.[1] ?? "";
      assertEquals((await Deno.readTextFile(`${home}/api_key`)).trim(), key);
      for (const part of ["wire_api", "env_key", "opencode.json", "no language model"]) {
        assertStringIncludes(text, part);
      }
      assertEquals(await mode(home), 0o700);
      for await (const { name } of Deno.readDir(home)) {
        assertEquals(await mode(`${home}/${name}`), 0o600, name);
      }
      assertEquals(await statusOf(url, key), 200);
      assertEquals(await statusOf(url, `${key.slice(0, -1)}${key.endsWith("A") ? "B" : "A"}`), 401);
      const record = JSON.parse(await Deno.readTextFile(`${home}/gateway.json`));
      assertEquals([record.url, record.pid], [url, synth.child.pid]);

      synth.child.kill("SIGTERM");
      const { code, stdout } = await synth.result;
      assertEquals(code, 0);
      assertEquals(stdout, `${url}\n`);
      assert(!await exists(`${home}/gateway.json`));
    }
    await using again = startSynth(["up", "--port", "0", "--json"], { env: { SYNTH_HOME: home } });
    await again.saysOnStderr("listens on");
    const url = JSON.parse(await readJson(again)).url;
    assertEquals(await statusOf(url, key), 200);
    again.child.kill("SIGINT");
    const { code, stderr, stdout } = await again.result;
    assertEquals(code, 0);
    assertNotMatch(stderr + stdout, KEY_LINE);
    assertNotMatch(stderr + stdout, new RegExp(key));
  },
);

async function readJson(synth: ReturnType<typeof startSynth>): Promise<string> {
  return await synth.stdoutUntil((text) => text.trimEnd().endsWith("}"));
}

Deno.test(
  "synth up started four times at once makes one key, and all accept it",
  POSIX,
  async () => {
    await using root = await temporaryDirectory();
    const home = `${root.path}/home`;
    const processes = Array.from(
      { length: 4 },
      () => startSynth(["up", "--port", "0"], { env: { SYNTH_HOME: home } }),
    );
    try {
      const urls = await Promise.all(processes.map((synth) => synth.firstLine()));
      const key = (await Deno.readTextFile(`${home}/api_key`)).trim();
      for (const url of urls) assertEquals(await statusOf(url, key), 200);
      for (const synth of processes) synth.child.kill("SIGTERM");
      const results = await Promise.all(processes.map((synth) => synth.result));
      assertEquals(results.map(({ code }) => code), [0, 0, 0, 0]);
      const shown = results.flatMap(({ stderr }) => KEY_LINE.exec(stderr)?.[1] ?? []);
      assertEquals(shown, [key]);
    } finally {
      for (const synth of processes) await synth[Symbol.asyncDispose]();
    }
    const left: string[] = [];
    for await (const { name } of Deno.readDir(home)) left.push(name);
    assertEquals(left.filter((name) => /tmp|gateway/.test(name)), []);
    const store = await openSqlite({ path: `${home}/state.db`, migrations: documentMigrations });
    const { keys } = await new KeyStore(new SqliteDocumentStore(store)).list("local");
    await store.close();
    assertEquals(keys.length, 1);
  },
);

Deno.test("synth up accepts SYNTH_API_KEY instead and makes nothing", POSIX, async () => {
  await using home = await temporaryDirectory();
  const env = { SYNTH_HOME: home.path, SYNTH_API_KEY: "a-key-of-my-own" };
  await using synth = startSynth(["up", "--port", "0"], { env });
  const url = await synth.firstLine();
  assertEquals(await statusOf(url, "a-key-of-my-own"), 200);
  assert(!await exists(`${home.path}/api_key`));
  synth.child.kill("SIGTERM");
  const { code, stderr } = await synth.result;
  assertEquals(code, 0);
  assertNotMatch(stderr, /a-key-of-my-own|sk_synth_/);
});

Deno.test("synth up does not revive a key that was revoked", POSIX, async () => {
  await using home = await temporaryDirectory();
  const env = { SYNTH_HOME: home.path };
  await using first = startSynth(["up", "--port", "0"], { env });
  const url = await first.firstLine();
  const key = (await Deno.readTextFile(`${home.path}/api_key`)).trim();
  assertEquals(await statusOf(url, key), 200);
  first.child.kill("SIGTERM");
  await first.result;
  const store = await openSqlite({
    path: `${home.path}/state.db`,
    migrations: documentMigrations,
  });
  const keys = new KeyStore(new SqliteDocumentStore(store));
  await keys.revoke("local", (await keys.list("local")).keys[0]?.keyId ?? "");
  await store.close();
  await using second = startSynth(["up", "--port", "0"], { env });
  assertEquals(await statusOf(await second.firstLine(), key), 401);
  assertStringIncludes(await second.saysOnStderr("revoked"), "remove the file");
});

Deno.test("synth up refuses a bad configuration with place and nearest key", async () => {
  await using home = await temporaryDirectory();
  const env = { SYNTH_HOME: home.path };
  await Deno.writeTextFile(`${home.path}/synth.toml`, "[gateway]\n\nprot = 1\n");
  const { code, stdout, stderr } = await runSynth(["up"], { env });
  assertEquals([code, stdout], [2, ""]);
  assertStringIncludes(stderr, `${home.path}/synth.toml:3:1: gateway.prot`);
  assertStringIncludes(stderr, 'Did you mean "port"?');
  assert(!await exists(`${home.path}/api_key`));
});

Deno.test("synth up refuses what only the gateway can check, with 2, and quotes no secret", async () => {
  await using home = await temporaryDirectory();
  const upstream = '[upstreams.u]\nbase_url = "http://u"\n';
  const cases: [string, Record<string, string>, string][] = [
    [`${upstream}profile = "grok"`, {}, "[unknown_profile]"],
    [`${upstream}api_key_file = "/does/not/exist"`, {}, "[upstream_key_unreadable]"],
    [`${upstream}api_key_env = "U_KEY"`, { U_KEY: "CANARY\n1" }, "[upstream_key_invalid]"],
    ["", { SYNTH_SEAL_KEYS: "k1:CANARY" }, "[invalid_seal_keys]"],
    ["", { SYNTH_API_KEY: "CANARY with spaces" }, "[invalid_static_key]"],
    ["", { SYNTH_GATEWAY_STORE: "redis", REDIS_URL: "http://:CANARY@h" }, "[invalid_store_url]"],
  ];
  for (const [config, env, code] of cases) {
    await Deno.writeTextFile(`${home.path}/synth.toml`, config);
    const result = await runSynth(["up", "--port", "0"], {
      env: { SYNTH_HOME: home.path, ...env },
    });
    assertStringIncludes(result.stderr, code);
    assertEquals([result.code, result.stdout], [2, ""], code);
    assertNotMatch(result.stderr, /CANARY/);
  }
});

Deno.test("synth up says what to do when the port is taken", async () => {
  await using home = await temporaryDirectory();
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { code, stderr } = await runSynth(["up"], {
    env: { SYNTH_HOME: home.path, SYNTH_PORT: String(taken.addr.port) },
  });
  assertEquals(code, 69);
  assertStringIncludes(stderr, `port ${taken.addr.port}: it is in use [port_in_use]`);
  assertStringIncludes(stderr, "--port (0 picks a free one)");
});

Deno.test("synth up says when its store cannot be reached", async () => {
  await using home = await temporaryDirectory();
  const env = { SYNTH_HOME: home.path, SYNTH_PORT: "0" };
  const dead = "redis://127.0.0.1:1/0";
  const redis = await runSynth(["up"], {
    env: { ...env, SYNTH_GATEWAY_STORE: "redis", REDIS_URL: dead },
  });
  assertEquals(redis.code, 69, redis.stderr);
  assertStringIncludes(redis.stderr, "[store_unavailable]");
  const upstash = await runSynth(["up"], { env: { ...env, SYNTH_GATEWAY_STORE: "upstash" } });
  assertEquals(upstash.code, 2, upstash.stderr);
  assertStringIncludes(upstash.stderr, "UPSTASH_REDIS_REST_TOKEN");
});

Deno.test(
  "synth up closes its own directory and refuses one with foreign files",
  POSIX,
  async () => {
    await using root = await temporaryDirectory();
    const [ours, foreign] = [`${root.path}/ours`, `${root.path}/foreign`];
    for (const path of [ours, foreign]) {
      await Deno.mkdir(path);
      await Deno.chmod(path, 0o755);
    }
    await Deno.writeTextFile(`${foreign}/thesis.txt`, "");
    await using synth = startSynth(["up", "--port", "0", "--home", ours]);
    await synth.firstLine();
    assertStringIncludes(await synth.saysOnStderr("listens"), `others could enter ${ours}`);
    assertEquals(await mode(ours), 0o700);
    const { code, stderr } = await runSynth(["up", "--home", foreign]);
    assertEquals(code, 2);
    assertStringIncludes(stderr, `chmod 700 ${foreign}`);
    assertEquals(await mode(foreign), 0o755);
  },
);

Deno.test(
  "synth up takes a changed configuration on SIGHUP, and never a bad one",
  POSIX,
  async () => {
    await using home = await temporaryDirectory();
    const env = { SYNTH_HOME: home.path, SYNTH_API_KEY: "key" };
    const file = `${home.path}/synth.toml`;
    const upstream = '[upstreams.u]\nbase_url = "http://127.0.0.1:1"\n';
    await using synth = startSynth(["up", "--port", "0"], { env });
    const url = await synth.firstLine();
    const models = async (): Promise<string[]> => {
      const list = await (await ask(url, "key")).json();
      return list.data.map((model: { id: string }) => model.id);
    };
    await Deno.writeTextFile(file, `${upstream}[models.one]\nupstream = "u"\n`);
    synth.child.kill("SIGHUP");
    await synth.saysOnStderr("is in force");
    assertEquals(await models(), ["one", "synth-demo"]);
    await Deno.writeTextFile(file, `${upstream}[models.two]\nupstraem = "u"\n`);
    synth.child.kill("SIGHUP");
    const text = await synth.saysOnStderr("the old configuration stays in force\n");
    assertMatch(text, /old configuration stays in force/);
    assertStringIncludes(await synth.saysOnStderr("upstraem"), `${file}:4:1`);
    assertEquals(await models(), ["one", "synth-demo"]);
    await Deno.writeTextFile(file, '[gateway]\nstore = "redis"\n');
    synth.child.kill("SIGHUP");
    await synth.saysOnStderr("gateway.store changed");
    synth.child.kill("SIGTERM");
    assertEquals((await synth.result).code, 0);
  },
);

Deno.test("synth up lets an open stream finish after SIGTERM", POSIX, async () => {
  await using home = await temporaryDirectory();
  await using upstream = slowUpstream();
  await Deno.writeTextFile(`${home.path}/synth.toml`, configFor(upstream.url));
  await using synth = startSynth(["up", "--port", "0"], {
    env: { SYNTH_HOME: home.path, SYNTH_API_KEY: "key" },
  });
  const url = await synth.firstLine();
  const stream = await openStream(url);
  await stream.until("first");
  synth.child.kill("SIGTERM");
  synth.child.kill("SIGTERM"); // as when a task runner passes on what the terminal has sent already
  await synth.saysOnStderr("SIGTERM: open requests have 30 s");
  assert(!await exists(`${home.path}/gateway.json`));
  upstream.finish();
  const text = await stream.rest();
  assertStringIncludes(text, "second");
  assertStringIncludes(text, "event: response.completed");
  assertEquals((await synth.result).code, 0);
  await assertRejects(() => ask(url, "key"));
});

Deno.test("synth up ends at once on a second signal", POSIX, async () => {
  await using home = await temporaryDirectory();
  await using upstream = slowUpstream();
  await Deno.writeTextFile(`${home.path}/synth.toml`, configFor(upstream.url));
  await using synth = startSynth(["up", "--port", "0"], {
    env: { SYNTH_HOME: home.path, SYNTH_API_KEY: "key" },
  });
  const stream = await openStream(await synth.firstLine());
  await stream.until("first");
  synth.child.kill("SIGINT");
  await synth.saysOnStderr("SIGINT: open requests");
  synth.child.kill("SIGTERM");
  assertEquals((await synth.result).code, 130);
  await stream.rest().catch(() => {});
});

function configFor(url: string): string {
  return `[upstreams.slow]\nbase_url = "${url}"\n[models.slow]\nupstream = "slow"\nprice = "free"\n`;
}

/** A model that says one word and waits. */
function slowUpstream(): AsyncDisposable & { readonly url: string; finish(): void } {
  const finished = Promise.withResolvers<void>();
  const chunk = (delta: unknown, finish: string | null = null) =>
    `data: ${
      JSON.stringify({
        id: "c",
        object: "chat.completion.chunk",
        created: 1,
        model: "slow",
        choices: [{ index: 0, delta, finish_reason: finish }],
      })
    }\n\n`;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => {
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(encoder.encode(chunk({ role: "assistant", content: "first" })));
        await finished.promise;
        try {
          const end = chunk({ content: " second" }) + chunk({}, "stop") + "data: [DONE]\n\n";
          controller.enqueue(encoder.encode(end));
          controller.close();
        } catch {
          // The gateway has gone.
        }
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/v1`,
    finish: () => finished.resolve(),
    async [Symbol.asyncDispose](): Promise<void> {
      finished.resolve();
      await server.shutdown();
    },
  };
}

async function openStream(
  url: string,
): Promise<{ until(text: string): Promise<void>; rest(): Promise<string> }> {
  const response = await fetch(`${url}/v1/responses`, {
    method: "POST",
    headers: { authorization: "Bearer key", "content-type": "application/json" },
    body: JSON.stringify({ model: "slow", input: "hi", stream: true }),
  });
  assertEquals(response.status, 200);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const read = async (): Promise<boolean> => {
    const { done, value } = await reader.read();
    text += value ?? "";
    return !done;
  };
  return {
    async until(wanted) {
      while (!text.includes(wanted)) assert(await read(), `the stream ended without ${wanted}`);
    },
    async rest() {
      while (await read());
      return text;
    },
  };
}
