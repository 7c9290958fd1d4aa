import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { type Json, SynthError } from "@synth/core";
import { InProcessTaskApp } from "../../in_process/in_process_task_app.ts";
import { ROOM_KEY, TunnelRoom } from "../testing/tunnel_room.ts";
import { credentialOf, readManagedTunnel } from "./managed_tunnel.ts";
import { selectTunnel } from "./select_tunnel.ts";

const TOKEN = "eyJhIjoidG9rZW4tb2YtdGhlLXRlc3RzIn0";
const ACCESS = { id: "access-id-of-the-tests", secret: "access-secret-of-the-tests" };
const HOST = "mine.tunnels.example";

interface Call {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | null;
  readonly body: Json;
}

/** A backend of managed tunnels; what it answers can be changed. */
class Backend implements AsyncDisposable {
  readonly calls: Call[] = [];
  /** As the gateway: so many of the list, unless more are asked for. */
  pageSize = 100;
  tunnels: Json = [];
  /** Answers instead of the list, creation or token. */
  answer: ((call: Call) => Response | Promise<Response> | null) | null = null;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #room: TunnelRoom;

  constructor(room: TunnelRoom) {
    this.#room = room;
    const on = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
    this.#server = Deno.serve(on, (request) => this.#serve(request));
    const origin = `http://127.0.0.1:${room.port}`;
    room.edge.managed.set(TOKEN, { hostname: HOST, origin, access: ACCESS });
  }

  get options(): { backend: { baseUrl: string; apiKey: string } } {
    const baseUrl = `http://127.0.0.1:${this.#server.addr.port}`;
    return { backend: { baseUrl, apiKey: "key-of-the-backend" } };
  }

  entry(more: { [key: string]: Json } = {}): { [key: string]: Json } {
    return {
      id: "tun_1",
      hostname: HOST,
      org_id: "org_1",
      status: "active",
      local_host: "127.0.0.1",
      local_port: this.#room.port,
      ...more,
    };
  }

  get credentials(): { [key: string]: Json } {
    const { id, secret } = ACCESS;
    return { tunnel_token: TOKEN, access_client_id: id, access_client_secret: secret };
  }

  async #serve(request: Request): Promise<Response> {
    const text = await request.text();
    const call: Call = {
      method: request.method,
      path: new URL(request.url).pathname,
      authorization: request.headers.get("authorization"),
      body: text === "" ? null : JSON.parse(text),
    };
    this.calls.push(call);
    const answer = await this.answer?.(call);
    if (answer) return answer;
    if (call.method === "DELETE") return Response.json({ id: "tun_1", status: "deleted" });
    if (call.method === "POST" || call.path.endsWith("/token")) {
      return Response.json(this.entry(this.credentials));
    }
    const limit = Number(new URL(request.url).searchParams.get("limit") ?? this.pageSize);
    const { tunnels } = this;
    return Response.json(Array.isArray(tunnels) ? tunnels.slice(0, limit) : tunnels);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

Deno.test("managed tunnels: one that exists is run, its token in the environment alone, and verified through Access", async () => {
  await using room = await TunnelRoom.make();
  await using backend = new Backend(room);
  backend.tunnels = [backend.entry()];
  const tunnels = room.tunnels(backend.options);
  const request = room.request({ mode: "managed" });
  const fixed = await tunnels.fixedAddress(request);
  assertEquals(fixed, { host: "127.0.0.1", port: room.port, hostname: HOST });
  const tunnel = await tunnels.open(request);
  assertEquals([tunnel.url, tunnel.mode], [`https://${HOST}`, "managed"]);
  assertEquals(tunnel.accessHeaders(), {
    "CF-Access-Client-Id": ACCESS.id,
    "CF-Access-Client-Secret": ACCESS.secret,
  });
  const [start] = await room.starts();
  assertEquals(start?.args.slice(-3), ["--config", "/dev/null", "run"]);
  assertEquals(start?.env["TUNNEL_TOKEN"], TOKEN);
  assert(start !== undefined && !JSON.stringify(start.args).includes(TOKEN));
  const seen = JSON.stringify([await room.records(), room.lines]);
  for (const secret of [TOKEN, ACCESS.secret, ROOM_KEY]) assert(!seen.includes(secret));
  assertEquals(backend.calls.map(({ method, path }) => `${method} ${path}`), [
    "GET /api/v1/tunnels/",
    "GET /api/v1/tunnels/",
    "GET /api/v1/tunnels/tun_1/token",
  ]);
  for (const { authorization } of backend.calls) {
    assertEquals(authorization, "Bearer key-of-the-backend");
  }
  await tunnel.close();
  assertEquals([await room.running(), await room.records(), await room.files()], [[], [], []]);
});

Deno.test("managed tunnels: none exists, so one is made; a token in the answer needs no second call", async () => {
  await using room = await TunnelRoom.make();
  await using backend = new Backend(room);
  const tunnels = room.tunnels(backend.options);
  assertEquals(await tunnels.fixedAddress(room.request({ mode: "managed" })), null);
  await using tunnel = await tunnels.open(room.request({ mode: "managed" }));
  assertEquals(tunnel.hostname, HOST);
  const made = backend.calls.find(({ method }) => method === "POST");
  assertEquals(made?.path, "/api/v1/tunnels/");
  assertEquals(made?.body, {
    subdomain: `tunnel-${room.port}`,
    local_port: room.port,
    local_host: "127.0.0.1",
  });
  assert(!backend.calls.some(({ path }) => path.endsWith("/token")));
});

Deno.test("managed tunnels: what was made is taken away again when the tunnel does not open", async () => {
  await using room = await TunnelRoom.make("die");
  await using backend = new Backend(room);
  const env = { ...room.env, SYNTH_TUNNEL_MAX_ATTEMPTS: "1" };
  const request = room.request({ mode: "managed", env: (name) => Reflect.get(env, name) });
  await assertRejects(() => room.tunnels(backend.options).open(request), SynthError);
  assertEquals(backend.calls.at(-1)?.method, "DELETE");
  assertEquals(backend.calls.at(-1)?.path, "/api/v1/tunnels/tun_1");
  assertEquals([await room.running(), await room.records(), await room.files()], [[], [], []]);
  // What was there before stays.
  backend.tunnels = [backend.entry(backend.credentials)];
  backend.calls.length = 0;
  await assertRejects(() => room.tunnels(backend.options).open(request), SynthError);
  assertEquals(backend.calls.map(({ method }) => method), ["GET"]);
});

Deno.test("managed tunnels: one that is made while its opening is interrupted is taken away again", async () => {
  await using room = await TunnelRoom.make();
  await using backend = new Backend(room);
  const user = new AbortController();
  const reason = new SynthError("enough", { code: "interrupted" });
  const making = Promise.withResolvers<null>();
  const made = Promise.withResolvers<Response>();
  backend.answer = ({ method }) => {
    if (method !== "POST") return null;
    making.resolve(null);
    return made.promise;
  };
  const request = room.request({ mode: "managed", signal: user.signal });
  const opening = assertRejects(() => room.tunnels(backend.options).open(request), SynthError);
  await making.promise;
  user.abort(reason);
  made.resolve(Response.json(backend.entry(backend.credentials)));
  assertEquals(await opening, reason);
  assertEquals(backend.calls.at(-1)?.method, "DELETE");
  assertEquals(backend.calls.at(-1)?.path, "/api/v1/tunnels/tun_1");
  assertEquals([await room.starts(), await room.records()], [[], []]);
});

Deno.test("managed tunnels: one that may have been made, or cannot be taken away, is told of", async () => {
  await using room = await TunnelRoom.make();
  await using backend = new Backend(room);
  const cases: [Response, boolean][] = [
    [new Response("half an answ"), true],
    [Response.json(backend.entry(backend.credentials)), true],
    [Response.json({ error: { code: "subdomain_taken", message: "no" } }, { status: 409 }), false],
  ];
  for (const [answer, told] of cases) {
    room.lines.length = 0;
    const user = new AbortController();
    backend.answer = ({ method }) => {
      if (method === "GET") return null;
      if (method === "DELETE") return new Response(null, { status: 500 });
      user.abort(new SynthError("enough", { code: "interrupted" }));
      return answer;
    };
    const request = room.request({ mode: "managed", signal: user.signal });
    const opening = () => room.tunnels(backend.options).open(request);
    assertEquals((await assertRejects(opening, SynthError)).code, "interrupted");
    const errors = room.lines.filter(({ level }) => level === "error");
    assertEquals(errors.length, told ? 1 : 0, JSON.stringify(room.lines));
  }
});

Deno.test("managed tunnels: wrong Access credentials are told apart from a dead tunnel", async () => {
  await using room = await TunnelRoom.make();
  await using backend = new Backend(room);
  backend.tunnels = [backend.entry({ ...backend.credentials, access_client_secret: "wrong" })];
  const more = { SYNTH_TUNNEL_DNS_TIMEOUT_SECS: "1" };
  const env = { ...room.env, ...more };
  const request = room.request({ mode: "managed", env: (name) => Reflect.get(env, name) });
  const error = await assertRejects(() => room.tunnels(backend.options).open(request), SynthError);
  assertEquals([error.code, error.exitCode], ["tunnel_unauthorized", 4]);
  assertStringIncludes(error.hint ?? "", "CF_ACCESS_CLIENT_SECRET");
});

Deno.test("managed tunnels: Access credentials of the environment serve where the backend gives none", async () => {
  await using room = await TunnelRoom.make();
  await using backend = new Backend(room);
  backend.tunnels = [backend.entry({ metadata: { cloudflare: { tunnel_token: TOKEN } } })];
  const more = { CF_ACCESS_CLIENT_ID: ACCESS.id, CF_ACCESS_CLIENT_SECRET: ACCESS.secret };
  const env = { ...room.env, ...more };
  const request = room.request({ mode: "managed", env: (name) => Reflect.get(env, name) });
  await using tunnel = await room.tunnels(backend.options).open(request);
  assertEquals(tunnel.accessHeaders()["CF-Access-Client-Id"], ACCESS.id);
});

Deno.test("managed tunnels: a tunnel that leads to another port is refused before anything is started", async () => {
  await using room = await TunnelRoom.make();
  await using backend = new Backend(room);
  backend.tunnels = [backend.entry({ local_port: 1 })];
  const opening = room.tunnels(backend.options).open(room.request({ mode: "managed" }));
  assertEquals((await assertRejects(() => opening, SynthError)).code, "tunnel_port_mismatch");
  assertEquals(await room.starts(), []);
});

Deno.test("managed tunnels: one is found among as many as an org may have", async () => {
  await using room = await TunnelRoom.make();
  await using backend = new Backend(room);
  const other = (i: number) => backend.entry({ id: `tun_${i}`, hostname: `t${i}.${HOST}` });
  backend.tunnels = [...Array.from({ length: 999 }, (_, i) => other(i)), backend.entry()];
  const request = { ...room.request({ mode: "managed" }), subdomain: HOST };
  const fixed = await room.tunnels(backend.options).fixedAddress(request);
  assertEquals(fixed?.hostname, HOST);
});

Deno.test("managed tunnels: createMissing makes a name beside others", async () => {
  await using room = await TunnelRoom.make();
  await using backend = new Backend(room);
  backend.tunnels = [backend.entry({ hostname: "other.tunnels.example", local_port: 1 })];
  const request = room.request({ mode: "managed", subdomain: "Mine" });
  const refused = await assertRejects(
    () => room.tunnels(backend.options).open(request),
    SynthError,
  );
  assertEquals([refused.code, refused.exitCode], ["tunnel_not_found", 3]);
  assertStringIncludes(refused.message, "other.tunnels.example (port 1)");
  const tunnels = room.tunnels({ ...backend.options, createMissing: true });
  assertEquals(await tunnels.fixedAddress(request), null);
  await using _tunnel = await tunnels.open(request);
  const made = backend.calls.find(({ method }) => method === "POST");
  assertEquals(Reflect.get(made?.body as object, "subdomain"), "mine");
});

Deno.test("managed tunnels: what a backend does wrong is said", async () => {
  await using room = await TunnelRoom.make();
  await using backend = new Backend(room);
  const tunnels = room.tunnels(backend.options);
  const request = room.request({ mode: "managed" });
  const fails = async () => await assertRejects(() => tunnels.fixedAddress(request), SynthError);
  backend.tunnels = { tunnels: [] };
  assertEquals((await fails()).code, "tunnels_backend_answer");
  backend.answer = () => Response.json({ error: { message: "no such key" } }, { status: 401 });
  const refused = await fails();
  assertEquals([refused.code, refused.exitCode], ["tunnels_backend_error", 4]);
  assertStringIncludes(refused.message, "401: no such key");
  const error = { code: "tunnels_not_configured", message: "none here" };
  backend.answer = () => Response.json({ error }, { status: 501 });
  assertEquals((await fails()).code, "tunnels_not_configured");
  backend.answer = () => Response.redirect("https://elsewhere.example/");
  assertMatch((await fails()).message, /answered 302/);
  backend.answer = null;
  backend.tunnels = [backend.entry()];
  backend.answer = ({ path }) =>
    path.endsWith("/token") ? new Response(null, { status: 404 }) : null;
  const none = await assertRejects(() => tunnels.open(request), SynthError);
  assertEquals(none.code, "tunnel_token_missing");
  const dead = room.tunnels({ backend: { baseUrl: "http://127.0.0.1:1", apiKey: "key" } });
  const gone = await assertRejects(() => dead.fixedAddress(request), SynthError);
  assertEquals([gone.code, gone.exitCode], ["tunnels_backend_unreachable", 69]);
  const env = (name: string) => name === "SYNTH_API_KEY" ? undefined : room.env[name];
  const keyless = await assertRejects(
    () => room.tunnels().open({ ...request, env }),
    SynthError,
  );
  assertEquals([keyless.code, keyless.exitCode], ["no_api_key", 4]);
});

Deno.test("managed tunnels: InProcessTaskApp listens where the tunnel leads", async () => {
  await using room = await TunnelRoom.make();
  await using backend = new Backend(room);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const origin = `http://127.0.0.1:${port}`;
  room.edge.managed.set(TOKEN, { hostname: HOST, origin, access: ACCESS });
  backend.tunnels = [backend.entry({ local_port: port })];
  await using app = await InProcessTaskApp.start({
    app: (request) => room.health(request),
    apiKey: ROOM_KEY,
    tunnelMode: "managed",
    tunnels: room.tunnels(backend.options),
    env: (name) => room.env[name],
    handleSignals: false,
    log: room.log,
  });
  assertEquals([app.port, app.url], [port, `https://${HOST}`]);
  assertEquals(app.accessHeaders()["CF-Access-Client-Secret"], ACCESS.secret);
  await app.stop();
  assertEquals([await room.running(), await room.records(), await room.files()], [[], [], []]);
});

const TUNNELS = ["One.tunnels.example", "two.tunnels.example"].map((hostname, at) =>
  readManagedTunnel({ id: `tun_${at}`, org_id: "org", hostname, local_port: 8000 + at })
).filter((tunnel) => tunnel !== null);

Deno.test("selectTunnel takes the only one, the named one, or none", () => {
  const [one, two] = TUNNELS;
  assertEquals(selectTunnel([], undefined), null);
  assertEquals(selectTunnel([], "one"), null);
  assertEquals(selectTunnel(TUNNELS.slice(0, 1), undefined), one ?? null);
  for (const name of ["two", "TWO", "two.tunnels.example", "https://Two.tunnels.example"]) {
    assertEquals(selectTunnel(TUNNELS, name), two ?? null);
  }
});

Deno.test("selectTunnel lists the choices when it cannot choose", () => {
  for (
    const [name, code, exit] of [[undefined, "tunnel_ambiguous", 2], ["x", "tunnel_not_found", 3]]
  ) {
    try {
      selectTunnel(TUNNELS, name as string | undefined);
      throw new Error("it chose");
    } catch (error) {
      assert(error instanceof SynthError, String(error));
      assertEquals([error.code, error.exitCode], [code, exit] as [string, number]);
      assertStringIncludes(error.message, "one.tunnels.example (port 8000), two");
    }
  }
});

Deno.test("readManagedTunnel reads what has an id, an org and a name, and defaults the address", () => {
  const whole = { id: "a", org_id: "o", hostname: "https://A.tunnels.example" };
  const read = readManagedTunnel(whole);
  assertEquals(
    [read?.hostname, read?.subdomain, read?.localHost, read?.localPort],
    ["a.tunnels.example", "a", "127.0.0.1", 8000],
  );
  for (const name of Object.keys(whole)) {
    assertEquals(readManagedTunnel({ ...whole, [name]: "" }), null);
  }
  for (const value of [null, [], "x", 1, { ...whole, hostname: "a b.example" }]) {
    assertEquals(readManagedTunnel(value), null);
  }
});

Deno.test("credentialOf looks in every place, the first counts", () => {
  const places: { [key: string]: Json }[] = [
    { tunnel_token: "t" },
    { metadata: { tunnel_token: "t" } },
    { metadata: { secrets: { tunnel_token: "t" } } },
    { metadata: { credentials: { tunnel_token: "t" } } },
    { metadata: { cloudflare: { tunnel_token: "t" } } },
    { metadata: { cloudflare: { secrets: { tunnel_token: "t" } } } },
  ];
  for (const raw of places) assertEquals(credentialOf(raw, "tunnel_token"), "t");
  for (const raw of [{}, { tunnel_token: "" }, { tunnel_token: 1 }, { metadata: [] }]) {
    assertEquals(credentialOf(raw, "tunnel_token"), null);
  }
  assertEquals(
    credentialOf({ tunnel_token: "first", metadata: { tunnel_token: "second" } }, "tunnel_token"),
    "first",
  );
  assertEquals(credentialOf({}, "__proto__"), null);
});
