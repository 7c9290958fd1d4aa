import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createLogger, FakeClock, silentLogger, SynthError } from "@synth/core";
import * as fc from "fast-check";
import { childEnvironment } from "./cloudflared/child_environment.ts";
import { readLog } from "./cloudflared/read_log.ts";
import { OpenScope } from "./open_scope.ts";
import { poll } from "./poll.ts";
import { retryWait } from "./retry_wait.ts";
import { readTunnelSettings } from "./settings.ts";
import { storeTunnelEnvironment } from "./store_environment.ts";

Deno.test("readLog finds the reason in JSON, in text, and in half a line", () => {
  const lines = [
    '{"level":"info","message":"hello"}',
    '{"level":"error","error":"dial tcp: no such host","message":"failed to request quick Tunnel"}',
    '{"level":"info","message":"bye"}',
  ].join("\n");
  assertEquals(readLog(lines), {
    rateLimited: false,
    addressInUse: false,
    unauthorized: false,
    message: "failed to request quick Tunnel: dial tcp: no such host",
  });
  assertEquals(readLog("").message, null);
  assertEquals(readLog('{"level":"error","mess').message, '{"level":"error","mess');
  const limited = [
    '{"level":"error","status_code":"429 Too Many Requests","message":"Error unmarshaling"}',
    "ERR error code: 1015",
    "failed: rate limited",
  ];
  for (const line of limited) assert(readLog(line).rateLimited, line);
  for (const line of ['{"message":"listening on 127.0.0.1:4290"}', "port 429 was opened"]) {
    assert(!readLog(line).rateLimited, line);
  }
  assert(readLog('{"error":"listen tcp: bind: address already in use"}').addressInUse);
  const secret = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl";
  assert(!readLog(`token ${secret}`).message?.includes(secret));
  assert(!readLog("\x1b[2Jgone\x07").message?.includes("\x1b"));
});

Deno.test("readLog takes any text, in short", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 500 }), (text) => {
    assert((readLog(text).message ?? "").length <= 303);
  }));
});

Deno.test("retryWait grows, is jittered, and knows what will not go away", () => {
  const settings = { attempts: 3, attemptsChosen: false };
  const limited = new SynthError("", { code: "tunnel_rate_limited" });
  const waits = [1, 2, 3, 4, 5, 6, 50].map((attempt) => retryWait(limited, attempt, settings, 0));
  assertEquals(waits, [2500, 5000, 10_000, 20_000, 30_000, 30_000, 30_000]);
  assertEquals(retryWait(limited, 1, settings, 0.5), 3750);
  assertEquals(retryWait(limited, 3, { attempts: 3, attemptsChosen: true }, 0), null);
  const ended = new SynthError("", { code: "tunnel_ended" });
  assertEquals([1, 2, 3].map((attempt) => retryWait(ended, attempt, settings, 0)), [
    250,
    500,
    null,
  ]);
  for (const code of ["tunnel_unauthorized", "tunnel_closed", "records_locked"]) {
    assertEquals(retryWait(new SynthError("", { code }), 1, settings, 0), null);
  }
  assertEquals(retryWait(new Error("a bug"), 1, settings, 0), null);
});

Deno.test("readTunnelSettings honours the names of the original", () => {
  const read = (env: Record<string, string>) =>
    readTunnelSettings((name) => env[name], silentLogger);
  assertEquals(read({}), {
    attempts: 3,
    attemptsChosen: false,
    verifyMs: 60_000,
    perRequestMs: 5_000,
    initialDelayMs: 1_000,
  });
  // Zero is a number.
  assertEquals(read({ SYNTH_TUNNEL_MAX_RETRIES: "0" }).attempts, 1);
  assertEquals(read({ SYNTH_TUNNEL_MAX_ATTEMPTS: "5", SYNTH_TUNNEL_MAX_RETRIES: "0" }).attempts, 5);
  const tries = { SYNTH_TUNNEL_VERIFY_MAX_RETRIES: "10", SYNTH_TUNNEL_VERIFY_DELAY_SECS: "0.5" };
  assertEquals(read(tries).verifyMs, 5_000);
  assertEquals(read({ ...tries, SYNTH_TUNNEL_DNS_TIMEOUT_SECS: "7" }).verifyMs, 7_000);
  for (const text of ["-1", "x", "1e3", "0x10", "1000000000"]) {
    assertThrows(() => read({ SYNTH_TUNNEL_DNS_TIMEOUT_SECS: text }), SynthError);
  }
  const lines: string[] = [];
  const log = createLogger({ write: (line) => lines.push(line) });
  readTunnelSettings((name) => name === "SYNTH_TUNNEL_VERIFY_TLS" ? "off" : undefined, log);
  assert(lines[0]?.includes("certificates are always checked"));
});

Deno.test("childEnvironment passes no key on", () => {
  const env: Record<string, string> = {
    PATH: "/bin",
    SYNTH_API_KEY: "s",
    OPENAI_API_KEY: "s",
    TUNNEL_TOKEN: "of another tunnel",
    TUNNEL_URL: "http://elsewhere",
  };
  assertEquals(childEnvironment((name) => env[name]), { PATH: "/bin" });
  assertEquals(childEnvironment((name) => env[name], { TUNNEL_TOKEN: "t" }), {
    PATH: "/bin",
    TUNNEL_TOKEN: "t",
  });
});

Deno.test("poll asks until there is an answer, its time is over, or its caller gives up", async () => {
  const clock = new FakeClock();
  const abort = new AbortController();
  const options = { clock, timeoutMs: 10_000, signal: abort.signal };
  let asked = 0;
  const third = poll(() => Promise.resolve(++asked === 3 ? "here" : null), options);
  await clock.tick(200);
  assertEquals(await third, "here");
  const never = poll(() => Promise.resolve(null), options);
  await clock.tick(10_100);
  assertEquals(await never, null);
  const given = poll(() => Promise.resolve(null), options);
  abort.abort(new Error("no more"));
  await assertRejects(() => given, Error, "no more");
  assertEquals(clock.pending, 0);
});

Deno.test("OpenScope ends at its deadline and says what was done", async () => {
  const clock = new FakeClock();
  using scope = new OpenScope({ clock, log: silentLogger, deadlineMs: 5_000 });
  scope.step = "waiting";
  assertEquals(scope.leftMs, 5_000);
  await clock.tick(5_000);
  assertEquals(scope.signal.reason.code, "deadline_exceeded");
  assert(scope.signal.reason.message.includes("waiting"));
});

Deno.test("storeTunnelEnvironment writes for the owner alone, keeps the rest, and masks", async () => {
  const directory = await Deno.makeTempDir({ prefix: "synth-tunnel-env-" });
  try {
    const path = `${directory}/.env`;
    await Deno.writeTextFile(path, "# mine\nexport TASK_APP_URL=old\nOTHER=1", { mode: 0o644 });
    const headers = {
      "CF-Access-Client-Id": "id-0123456789abcdef",
      "CF-Access-Client-Secret": "secret-0123456789abcdef",
    };
    const tunnel = { url: "https://a.trycloudflare.com", accessHeaders: () => headers };
    assertEquals(await storeTunnelEnvironment(path, tunnel), [
      { name: "TASK_APP_URL", shown: "https://a.trycloudflare.com" },
      { name: "CF_ACCESS_CLIENT_ID", shown: "id-...def" },
      { name: "CF_ACCESS_CLIENT_SECRET", shown: "sec...def" },
    ]);
    assertEquals(
      await Deno.readTextFile(path),
      "# mine\nexport TASK_APP_URL=https://a.trycloudflare.com\nOTHER=1\n" +
        "CF_ACCESS_CLIENT_ID=id-0123456789abcdef\nCF_ACCESS_CLIENT_SECRET=secret-0123456789abcdef\n",
    );
    assertEquals(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("storeTunnelEnvironment removes the credentials of the tunnel before, and none that may be of this one", async () => {
  const directory = await Deno.makeTempDir({ prefix: "synth-env-" });
  try {
    const path = `${directory}/.env`;
    const before = "TASK_APP_URL=https://mine.example\nexport CF_ACCESS_CLIENT_ID=id\nA=1\n" +
      'CF_ACCESS_CLIENT_SECRET="of\ntwo lines" # old\nB=2\n';
    await Deno.writeTextFile(path, before);
    const same = { url: "https://mine.example", accessHeaders: () => ({}) };
    assertEquals(await storeTunnelEnvironment(path, same), [
      { name: "TASK_APP_URL", shown: "https://mine.example" },
    ]);
    assertEquals(await Deno.readTextFile(path), before);
    const other = { url: "https://a-b.trycloudflare.com", accessHeaders: () => ({}) };
    assertEquals(await storeTunnelEnvironment(path, other), [
      { name: "TASK_APP_URL", shown: "https://a-b.trycloudflare.com" },
      { name: "CF_ACCESS_CLIENT_ID", shown: null },
      { name: "CF_ACCESS_CLIENT_SECRET", shown: null },
    ]);
    assertEquals(
      await Deno.readTextFile(path),
      "TASK_APP_URL=https://a-b.trycloudflare.com\nA=1\nB=2\n",
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test({
  name: "storeTunnelEnvironment leaves no secret that others can read, through a link either",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const directory = await Deno.makeTempDir({ prefix: "synth-env-" });
    try {
      await Deno.mkdir(`${directory}/kept`);
      await Deno.writeTextFile(`${directory}/kept/real.env`, "A=1\n", { mode: 0o644 });
      await Deno.symlink("kept/real.env", `${directory}/.env`);
      const tunnel = {
        url: "https://mine.example",
        accessHeaders: () => ({
          "CF-Access-Client-Id": "id-of-the-tests-1234567890",
          "CF-Access-Client-Secret": "secret-of-the-tests-1234567890",
        }),
      };
      await storeTunnelEnvironment(`${directory}/.env`, tunnel);
      assertEquals((await Deno.lstat(`${directory}/.env`)).isSymlink, true);
      const { mode } = await Deno.stat(`${directory}/kept/real.env`);
      assertEquals((mode ?? 0) & 0o777, 0o600);
      assertEquals((await Array.fromAsync(Deno.readDir(`${directory}/kept`))).length, 1);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
