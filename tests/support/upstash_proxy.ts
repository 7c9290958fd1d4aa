/**
 * An Upstash-compatible REST server over a real `redis-server`, which counts round trips and can misbehave.
 *
 * ```ts no-run
 * await using redis = await startRedis();
 * await using proxy = await startUpstashProxy(redis.url);
 * const transport = new UpstashTransport({ url: proxy.url, token: proxy.token });
 * ```
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Redis } from "ioredis";

/** How the next request is treated. */
export type ProxyFault =
  /** Never answered, never executed. */
  | "hang"
  /** The connection ends before anything was executed. */
  | "drop_before"
  /** Executed, then the connection ends without an answer: the client cannot know. */
  | "drop_after"
  /** Executed twice, as when a network layer sends a request again. */
  | "duplicate"
  /** Executed; answered only after {@linkcode UpstashProxy.release}. */
  | "late"
  /** Status 500 with an error in the protocol's shape. */
  | "status_500"
  /** Status 502 with a web page. */
  | "html_502"
  /** Status 200 with half a JSON text. */
  | "garbled"
  /** Status 200 with JSON of another shape. */
  | "wrong_shape"
  /** Fewer answers than commands. */
  | "short";

/** A running proxy. */
export interface UpstashProxy extends AsyncDisposable {
  readonly url: string;
  readonly token: string;
  /** HTTP requests that arrived, whatever became of them. */
  readonly roundTrips: number;
  /** Commands that were sent to Redis. */
  readonly commands: number;
  /** The scripts that came with EVAL, as they came. */
  readonly scripts: readonly string[];
  /** Faults for the next requests, first in, first out. Requests beyond them are answered well. */
  inject(...faults: ProxyFault[]): void;
  /** Forgets faults that no request has met. */
  clear(): void;
  /** Answers what is `late`. */
  release(): void;
  /** Resolves when a request has met a fault, executed or not; the wait begins with the call. */
  nextFault(): Promise<ProxyFault>;
  /** Resolves when a client has given up on a request that hangs. */
  nextGivenUp(): Promise<void>;
}

type Answer = { result: unknown } | { error: string };

interface State {
  readonly redis: Redis;
  readonly token: string;
  readonly faults: ProxyFault[];
  readonly late: Set<() => void>;
  readonly watchers: Set<(fault: ProxyFault) => void>;
  readonly givenUp: Set<() => void>;
  readonly scripts: string[];
  roundTrips: number;
  commands: number;
}

/** Starts a proxy on loopback. The token is random. */
export async function startUpstashProxy(redisUrl: string): Promise<UpstashProxy> {
  const state: State = {
    redis: new Redis(redisUrl, { protocol: 2, disableClientInfo: true }),
    token: crypto.randomUUID(),
    faults: [],
    late: new Set(),
    watchers: new Set(),
    givenUp: new Set(),
    scripts: [],
    roundTrips: 0,
    commands: 0,
  };
  state.redis.on("error", () => {});
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    serve(state, request, response).catch(() => request.socket.destroy());
  });
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    token: state.token,
    get roundTrips() {
      return state.roundTrips;
    },
    get commands() {
      return state.commands;
    },
    scripts: state.scripts,
    inject: (...faults) => void state.faults.push(...faults),
    clear: () => void state.faults.splice(0),
    release: () => releaseLate(state),
    nextFault: () => new Promise((resolve) => state.watchers.add(resolve)),
    nextGivenUp: () => new Promise((resolve) => state.givenUp.add(resolve)),
    async [Symbol.asyncDispose]() {
      releaseLate(state);
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await closeRedis(state.redis);
    },
  };
}

function releaseLate(state: State): void {
  for (const answer of state.late) answer();
  state.late.clear();
}

async function closeRedis(redis: Redis): Promise<void> {
  if (redis.status === "end") return;
  const ended = new Promise<void>((resolve) => redis.once("end", () => resolve()));
  redis.disconnect();
  redis.stream?.destroy();
  await ended;
}

async function serve(
  state: State,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await readBody(request);
  state.roundTrips++;
  if (request.headers.authorization !== `Bearer ${state.token}`) {
    return reply(response, 401, { error: "WRONGPASS invalid or missing auth token" });
  }
  if (request.method !== "POST") return reply(response, 405, { error: "ERR method not allowed" });
  const fault = state.faults.shift();
  if (fault !== undefined && fault !== "duplicate" && fault !== "drop_after" && fault !== "late") {
    return misbehave(state, fault, request, response);
  }
  let answer = await execute(state, request, body);
  if (fault === "duplicate") answer = await execute(state, request, body);
  if (fault !== undefined) announce(state, fault);
  if (fault === "drop_after") return void request.socket.destroy();
  if (fault === "late") await new Promise<void>((resolve) => state.late.add(resolve));
  reply(response, answer.status, answer.body);
}

function announce(state: State, fault: ProxyFault): void {
  for (const watcher of state.watchers) watcher(fault);
  state.watchers.clear();
}

function misbehave(
  state: State,
  fault: ProxyFault,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  announce(state, fault);
  if (fault === "hang") {
    request.socket.once("close", () => {
      for (const resolve of state.givenUp) resolve();
      state.givenUp.clear();
    });
  }
  if (fault === "drop_before") request.socket.destroy();
  if (fault === "status_500") reply(response, 500, { error: "ERR internal error" });
  if (fault === "html_502") send(response, 502, "text/html", "<html>Bad Gateway</html>");
  if (fault === "garbled") send(response, 200, "application/json", '[{"result":"T0');
  if (fault === "wrong_shape") reply(response, 200, { hello: ["world"] });
  if (fault === "short") reply(response, 200, []);
}

async function execute(
  state: State,
  request: IncomingMessage,
  body: string,
): Promise<{ status: number; body: unknown }> {
  const base64 = request.headers["upstash-encoding"] === "base64";
  const path = (request.url ?? "/").split("?", 1)[0];
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return { status: 400, body: { error: "ERR failed to parse the request" } };
  }
  if (path === "/" && isCommand(parsed)) {
    const answer = await run(state, parsed, base64);
    return { status: "error" in answer ? 400 : 200, body: answer };
  }
  if (!Array.isArray(parsed) || !parsed.every(isCommand)) {
    return { status: 400, body: { error: "ERR failed to parse the pipeline" } };
  }
  if (path === "/pipeline") {
    const answers = await Promise.all(parsed.map((command) => run(state, command, base64)));
    return { status: 200, body: answers };
  }
  if (path === "/multi-exec") return await runMulti(state, parsed, base64);
  return { status: 404, body: { error: "ERR not found" } };
}

function isCommand(value: unknown): value is (string | number | boolean)[] {
  return Array.isArray(value) && value.length > 0 &&
    value.every((part) => ["string", "number", "boolean"].includes(typeof part));
}

async function run(
  state: State,
  command: (string | number | boolean)[],
  base64: boolean,
): Promise<Answer> {
  state.commands++;
  if (String(command[0]).toUpperCase() === "EVAL") state.scripts.push(String(command[1]));
  const [name = "", ...args] = translate(command);
  try {
    return { result: encode(await state.redis.callBuffer(name, ...args), base64, true) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

async function runMulti(
  state: State,
  commands: (string | number | boolean)[][],
  base64: boolean,
): Promise<{ status: number; body: unknown }> {
  state.commands += commands.length;
  const batch = state.redis.multi({ pipeline: true });
  for (const command of commands) {
    const [name = "", ...args] = translate(command);
    batch.callBuffer(name, ...args);
  }
  try {
    const replies = await batch.exec() ?? [];
    const answers = replies.map(([error, reply]) =>
      error ? { error: error.message } : { result: encode(reply, base64, true) }
    );
    return { status: 200, body: answers };
  } catch (error) {
    return { status: 400, body: { error: error instanceof Error ? error.message : String(error) } };
  }
}

/**
 * Upstash takes a script whose first line is `#!lua flags=allow-key-locking`; stock Redis refuses that flag. Without the
 * line the script has another SHA-1, so EVALSHA is always answered NOSCRIPT until the proxy has seen the script.
 */
const bodies: Map<string, string> = new Map();

function translate(command: (string | number | boolean)[]): string[] {
  const [name = "", ...args] = command.map(String);
  const verb = name.toUpperCase();
  if (verb === "EVAL") {
    const script = args[0] ?? "";
    const plain = script.replace(/^#!lua flags=allow-key-locking\n/, "");
    bodies.set(sha1(script), sha1(plain));
    args[0] = plain;
  } else if (verb === "EVALSHA") {
    args[0] = bodies.get((args[0] ?? "").toLowerCase()) ?? args[0] ?? "";
  }
  return [verb, ...args];
}

function sha1(text: string): string {
  return createHash("sha1").update(text).digest("hex");
}

/** Strings as base64, except an `OK` that is the whole result; integers as numbers; nil as null. */
function encode(reply: unknown, base64: boolean, top: boolean): unknown {
  if (Array.isArray(reply)) return reply.map((item) => encode(item, base64, false));
  if (reply instanceof Error) return { error: reply.message };
  if (typeof reply !== "string" && !Buffer.isBuffer(reply)) return reply ?? null;
  const bytes = typeof reply === "string" ? Buffer.from(reply) : reply;
  const text = bytes.toString("utf8");
  return !base64 || (top && text === "OK") ? text : bytes.toString("base64");
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  send(response, status, "application/json", JSON.stringify(body));
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) });
  response.end(body);
}
