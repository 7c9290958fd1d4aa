import { assert, assertEquals, assertNotMatch, assertRejects, assertThrows } from "@std/assert";
import net from "node:net";
import { join } from "node:path";
import { type RedisServer, startRedis } from "../../tests/support/redis_server.ts";
import { SynthError } from "../errors.ts";
import { RespTransport } from "./redis_resp.ts";
import { redisPortContract } from "./testing/redis_port_contract.ts";

const shared = await startRedis();
Deno.test.afterAll(async () => await shared[Symbol.asyncDispose]());

redisPortContract("RespTransport", () => {
  const port = new RespTransport({ url: shared.url });
  return Promise.resolve({ port, [Symbol.asyncDispose]: () => port.close() });
});

/** Fails unless the call is refused as unavailable. The servers here never answer: without its deadline a call would not end. */
async function assertUnavailable(call: () => Promise<unknown>): Promise<string> {
  const error = await assertRejects<SynthError>(call, SynthError);
  assertEquals([error.code, error.status], ["store_unavailable", 503]);
  return String(error.details["reason"]);
}

async function withServer(
  test: (redis: RedisServer, port: RespTransport) => Promise<void>,
  deadlineMs: number,
): Promise<void> {
  await using redis = await startRedis();
  const port = new RespTransport({ url: redis.url, deadlineMs });
  try {
    await test(redis, port);
  } finally {
    await port.close();
  }
}

/** A script that keeps the server busy long enough to be met in the middle of it. */
const spin = { name: "spin", lua: "while true do end" };

Deno.test("RespTransport connects with the first call only", async () => {
  const port = new RespTransport({ url: "redis://127.0.0.1:1/0", deadlineMs: 200 });
  await port.close();
});

Deno.test("RespTransport says within the deadline that nobody listens", async () => {
  const port = new RespTransport({ url: "redis://:sk-secret@127.0.0.1:1/0", deadlineMs: 200 });
  assertEquals(await assertUnavailable(() => port.pipeline([["PING"]])), "network");
  await port.close();
});

Deno.test("RespTransport selects the database of the URL and refuses one that is none", async () => {
  const url = (db: string) => `redis://127.0.0.1:${shared.port}${db}`;
  const in7 = new RespTransport({ url: url("/7") });
  await in7.pipeline([["SET", "in7", "yes"]]);
  assertEquals(await shared.cli("-n", "7", "GET", "in7"), "yes");
  await in7.close();
  const none = new RespTransport({ url: url("/9999") });
  for (let n = 0; n < 2; n++) {
    const error = await assertRejects<SynthError>(
      () => none.pipeline([["SET", "lost", "x"]]),
      SynthError,
    );
    assertEquals(error.code, "store_error");
  }
  assertEquals(await shared.cli("GET", "lost"), "");
  await none.close();
});

Deno.test("RespTransport signs in, and never repeats a password that is refused", async () => {
  await using redis = await startRedis({ args: ["--requirepass", "pa%ss@w:rd/é"] });
  const at = (user: string) => `redis://${user}127.0.0.1:${redis.port}/0`;
  const good = new RespTransport({ url: at(`:${encodeURIComponent("pa%ss@w:rd/é")}@`) });
  assertEquals(await good.pipeline([["PING"]]), ["PONG"]);
  await good.close();
  for (const user of ["", "default:sk-secret@", ":sk-secret@"]) {
    const port = new RespTransport({ url: at(user) });
    const error = await assertRejects<SynthError>(() => port.pipeline([["PING"]]), SynthError);
    assertEquals([error.code, error.details["reason"]], ["store_unavailable", "auth"]);
    assertNotMatch(Deno.inspect(error) + JSON.stringify(error.toBody()), /sk-secret/);
    await port.close();
  }
});

Deno.test("RespTransport refuses a URL that is none, without repeating it", () => {
  const urls = [
    "",
    "sk-secret",
    "http://sk-secret@h",
    "redis://h/sk-secret",
    "redis://%zz:sk-secret@h",
  ];
  for (const url of urls) {
    const error = assertThrows<SynthError>(() => new RespTransport({ url }), SynthError);
    assertEquals(error.code, "invalid_store_url");
    assertNotMatch(error.toCliMessage(), /sk-secret/);
  }
});

Deno.test("RespTransport speaks TLS and refuses a certificate that nobody vouches for", async () => {
  const dir = await Deno.makeTempDir();
  const [key, cert] = [join(dir, "key.pem"), join(dir, "cert.pem")];
  const { success } = await new Deno.Command("openssl", {
    args: [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
      ...["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key, "-out", cert],
    ],
    stderr: "null",
  }).output();
  assert(success, "openssl is needed");
  const tlsPort = portOf();
  const args = ["--tls-port", String(tlsPort), "--tls-cert-file", cert, "--tls-key-file", key];
  {
    await using _redis = await startRedis({ args: [...args, "--tls-auth-clients", "no"] });
    const url = `rediss://localhost:${tlsPort}/0`;
    const trusting = new RespTransport({ url, caCerts: [await Deno.readTextFile(cert)] });
    assertEquals(await trusting.pipeline([["PING"]]), ["PONG"]);
    await trusting.close();
    const strict = new RespTransport({ url, deadlineMs: 300 });
    assertEquals(await assertUnavailable(() => strict.pipeline([["PING"]])), "network");
    await strict.close();
  }
  await Deno.remove(dir, { recursive: true });
});

Deno.test("RespTransport survives a server that is killed in the middle of a call", () =>
  withServer(async (redis, port) => {
    await port.pipeline([["SET", "k", "1"]]);
    await redis.cli("CONFIG", "SET", "lua-time-limit", "1");
    const call = assertUnavailable(() => port.script(spin, [], []));
    while (!(await redis.cli("PING").catch(String)).includes("BUSY"));
    await redis.kill();
    await call;
    assertEquals(await assertUnavailable(() => port.pipeline([["PING"]])), "network");
    await redis.restart();
    assertEquals(await port.pipeline([["PING"], ["GET", "k"]]), ["PONG", null]);
  }, 700));

Deno.test("RespTransport survives a server that hangs, and drops the late reply", () =>
  withServer(async (redis, port) => {
    await port.pipeline([["SET", "k", "before"]]);
    redis.pause();
    const calls = [port.pipeline([["SET", "k", "late"]]), port.pipeline([["GET", "k"]])];
    for (const call of calls) assertEquals(await assertUnavailable(() => call), "timeout");
    assertEquals(await assertUnavailable(() => port.pipeline([["PING"]])), "timeout");
    redis.resume();
    assertEquals(await port.pipeline([["ECHO", "mine"]]), ["mine"]);
  }, 600));

Deno.test("RespTransport reconnects by itself when the server was restarted", () =>
  withServer(async (redis, port) => {
    for (let n = 0; n < 3; n++) {
      assertEquals(await port.script({ name: "one", lua: "return 1" }, [], []), 1);
      await redis.restart();
    }
    assertEquals(await port.pipeline([["PING"]]), ["PONG"]);
  }, 2000));

Deno.test("RespTransport sends a call again when its idle connection was cut", () =>
  withServer(async (redis, port) => {
    await port.pipeline([["PING"]]);
    await redis.cli("CLIENT", "KILL", "TYPE", "normal");
    const replies = await Promise.all([1, 2, 3].map(() => port.pipeline([["PING"]])));
    assertEquals(replies, [["PONG"], ["PONG"], ["PONG"]]);
  }, 2000));

Deno.test("RespTransport leaves a connection on which nothing comes back", async () => {
  const sockets: net.Socket[] = [];
  const server = net.createServer((near) => {
    const far = net.connect(shared.port, "127.0.0.1");
    sockets.push(near, far);
    for (const socket of [near, far]) socket.on("error", () => {});
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port: at } = server.address() as net.AddressInfo;
  const port = new RespTransport({ url: `redis://127.0.0.1:${at}/0`, deadlineMs: 500 });
  assertEquals(await port.pipeline([["PING"]]), ["PONG"]);
  sockets[0]?.unpipe();
  sockets[0]?.resume();
  assertEquals(await assertUnavailable(() => port.pipeline([["PING"]])), "timeout");
  assertEquals(await port.pipeline([["ECHO", "anew"]]), ["anew"]);
  assertEquals(sockets.length, 4);
  await port.close();
  const stopped = new Promise<void>((resolve) => server.close(() => resolve()));
  const closed = sockets.map((socket) =>
    new Promise<void>((resolve) => socket.destroyed ? resolve() : socket.once("close", resolve))
  );
  for (const socket of sockets) socket.destroy();
  await Promise.all([stopped, ...closed]);
});

Deno.test("RespTransport says that the server's memory is full", () =>
  withServer(async (redis, port) => {
    await redis.cli("CONFIG", "SET", "maxmemory", "1");
    const full = () => port.pipeline([["SET", "k", "x"]]);
    assertEquals(await assertUnavailable(full), "full");
    await redis.cli("CONFIG", "SET", "maxmemory", "0");
    assertEquals(await port.pipeline([["SET", "k", "x"]]), ["OK"]);
  }, 1000));

function portOf(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
