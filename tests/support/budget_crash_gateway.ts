/**
 * A gateway that kills itself between two steps of a request: the program of the children in budget_crash_test.ts.
 *
 * @module
 */
import { Authenticator } from "@synth/core/auth";
import { RespTransport } from "@synth/core/storage/resp";
import { createGateway } from "@synth/gateway";
import { serveGateway, undiciTransport } from "@synth/gateway/deno";
import { openSqliteLedger } from "../../gateway/sessions/ledger/ledger_sqlite.ts";
import { RedisLedger } from "../../gateway/sessions/ledger/ledger_redis.ts";
import type { SessionLedger } from "../../gateway/sessions/ledger/ledger.ts";
import type { ByteSource, UpstreamTransport } from "../../gateway/upstreams/transport.ts";
import { budgetPrincipal, inProcessConfig } from "./budget_in_process.ts";
import { TEST_KEY } from "./test_gateway.ts";

/** Where it dies. */
export const CRASH_STEPS = [
  "before_reserve",
  "after_reserve",
  "after_upstream_answered",
  "mid_stream",
  "before_settle",
  "after_settle",
] as const;

/** One of {@linkcode CRASH_STEPS}. */
export type CrashStep = typeof CRASH_STEPS[number];

/** What the child reads from the environment variable `CRASH`. */
export interface CrashSettings {
  readonly at: CrashStep | null;
  readonly baseUrl: string;
  /** A SQLite file, or the address of a Redis. */
  readonly ledger: string;
}

function die(): never {
  Deno.kill(Deno.pid, "SIGKILL");
  throw new Error("still alive");
}

function crashingLedger(ledger: SessionLedger, at: CrashStep | null): SessionLedger {
  return new Proxy(ledger, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return async (...args: unknown[]): Promise<unknown> => {
        if (name === "reserve" && at === "before_reserve") die();
        if (name === "settle" && at === "before_settle") die();
        const result: unknown = await Reflect.apply(member, target, args);
        if (name === "reserve" && at === "after_reserve") die();
        if (name === "settle" && at === "after_settle") die();
        return result;
      };
    },
  });
}

function crashingTransport(inner: UpstreamTransport, at: CrashStep | null): UpstreamTransport {
  return {
    async send(request) {
      const reply = await inner.send(request);
      if (at === "after_upstream_answered") die();
      return at === "mid_stream" ? { ...reply, body: dyingBody(reply.body) } : reply;
    },
    close: () => inner.close(),
  };
}

function dyingBody(body: ByteSource): ByteSource {
  return {
    async read() {
      await body.read();
      die();
    },
    cancel: () => body.cancel(),
  };
}

if (import.meta.main) {
  const settings = JSON.parse(Deno.env.get("CRASH") ?? "null") as CrashSettings;
  const ledger = settings.ledger.startsWith("redis:")
    ? new RedisLedger(new RespTransport({ url: settings.ledger }))
    : await openSqliteLedger({ path: settings.ledger });
  const gateway = await createGateway({
    config: inProcessConfig(settings.baseUrl),
    authenticator: new Authenticator({
      staticKeys: [{ key: TEST_KEY, principal: budgetPrincipal() }],
    }),
    secrets: { env: () => undefined },
    transport: crashingTransport(undiciTransport(), settings.at),
    ledger: crashingLedger(ledger, settings.at),
  });
  const server = serveGateway(gateway, { hostname: "127.0.0.1", port: 0 });
  Deno.stdout.writeSync(new TextEncoder().encode(`${server.url}\n`));
}
