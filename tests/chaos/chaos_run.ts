/**
 * A gateway between clients, a model server and a store that all have a bad day; afterwards the books are compared with what each of them saw.
 *
 * @module
 */
import { createLogger } from "@synth/core";
import { Authenticator } from "@synth/core/auth";
import { createGateway } from "@synth/gateway";
import { undiciTransport } from "@synth/gateway/deno";
import { openSqliteLedger } from "../../gateway/sessions/ledger/ledger_sqlite.ts";
import { budgetPrincipal, hard, inProcessConfig, openIn } from "../support/budget_in_process.ts";
import { type RawReply, serveRaw } from "../support/raw_http.ts";
import { isRecord, type Rec } from "../support/response_shape.ts";
import { ImpatientClock, TEST_KEY } from "../support/test_gateway.ts";
import { checkLimits, checkOrg, checkRound, noteInternalErrors } from "./chaos_checks.ts";
import { chaosRequest } from "./chaos_client.ts";
import { chaosLedger } from "./chaos_ledger.ts";
import { type ChaosReply, chaosReply } from "./chaos_replies.ts";
import {
  type Asked,
  type ChaosOptions,
  type ChaosReport,
  ORG,
  type Stage,
  type Upstream,
} from "./chaos_stage.ts";
import { type Random, seeded } from "./random.ts";

/** Milliseconds of the gateway's time that pass in {@linkcode TICK_REAL_MS} of ours: a stall of ten seconds takes a fifth of one. */
const TICK_MS = 250;
const TICK_REAL_MS = 5;
/** Milliseconds of real time after which a round counts as stuck. */
const STUCK_MS = 60_000;

/** Runs it. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const random = seeded(options.seed);
  const clock = new ImpatientClock();
  const real = await openSqliteLedger({ path: options.path ?? ":memory:", clock });
  const { ledger, books } = chaosLedger(
    options.tamper?.(real) ?? real,
    seeded(random.int(1, 2 ** 31)),
    clock,
    options.storeFaults,
  );
  const upstream = await startChaosUpstream(seeded(random.int(1, 2 ** 31)));
  const log: string[] = [];
  const gateway = await createGateway({
    config: inProcessConfig(`http://127.0.0.1:${upstream.port}/v1`, {
      gateway: { idle_timeout_s: 10, request_deadline_s: 60 },
    }),
    authenticator: new Authenticator({
      staticKeys: [{ key: TEST_KEY, principal: budgetPrincipal() }],
    }),
    secrets: { env: () => undefined },
    transport: undiciTransport(),
    log: createLogger({ write: (line) => void log.push(line), level: "error" }),
    clock,
    ledger,
  });
  const kept = new Set<Promise<unknown>>();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) =>
      gateway.fetch(request, {
        waitUntil(promise) {
          const watched: Promise<unknown> = promise.catch(() => {}).then(() =>
            kept.delete(watched)
          );
          kept.add(watched);
        },
      }),
  );
  const stage: Stage = {
    options,
    random,
    clock,
    real,
    books,
    gateway,
    upstream,
    url: `http://127.0.0.1:${server.addr.port}`,
    kept,
    report: newReport(),
  };
  await real.addLimit({ org: ORG, kind: "org", id: ORG }, hard("tokens", Number.MAX_SAFE_INTEGER));
  const time = startTime(clock);
  try {
    for (let round = 0; options.again(round); round++) {
      await playRound(stage);
      noteInternalErrors(stage, log.splice(0));
      options.onRound?.(stage.report);
      if (stage.report.problems.length >= 100) break;
    }
    await checkOrg(stage);
    if (!await inTime(gateway.drain(1000))) stage.report.problems.push("drain never ended");
  } finally {
    await time.stop();
    await upstream[Symbol.asyncDispose]();
    await server.shutdown();
    await real.close();
  }
  return stage.report;
}

function newReport(): ChaosReport {
  return {
    requests: 0,
    upstreamCalls: 0,
    storeFaults: 0,
    events: 0,
    expired: 0,
    gone: 0,
    tokens: 0n,
    statuses: new Map(),
    problems: [],
  };
}

async function startChaosUpstream(random: Random): Promise<Upstream> {
  const given = new Map<string, ChaosReply[]>();
  const server = await serveRaw((request): RawReply => {
    upstream.calls++;
    const body: unknown = JSON.parse(request.body);
    const made = chaosReply(isRecord(body) ? body : {} as Rec, random);
    const id = request.headers.get("x-request-id") ?? "";
    given.set(id, [...(given.get(id) ?? []), made]);
    return made.reply;
  });
  const upstream: Upstream = Object.assign(server, { given, calls: 0 });
  return upstream;
}

/** Lets time pass, fast. */
function startTime(clock: ImpatientClock): { stop(): Promise<void> } {
  let going = true;
  const done = (async () => {
    while (going) {
      await clock.tick(TICK_MS);
      await new Promise((resolve) => setTimeout(resolve, TICK_REAL_MS));
      clock.slept.length = 0;
    }
  })();
  return {
    stop() {
      going = false;
      return done;
    },
  };
}

async function playRound(stage: Stage): Promise<void> {
  const { options, random, real, report } = stage;
  const shared = await openIn(real, [hard("tokens", random.int(500, 200_000))]);
  const sessions = new Set([shared]);
  const asked: Asked[] = [];
  let left = options.requests;
  async function client(own: Random): Promise<void> {
    while (left-- > 0) {
      const session = own.chance(0.3) ? shared : await openIn(real, [
        hard("tokens", own.int(50, 100_000)),
        hard("cost", own.int(10_000, 100_000_000)),
      ]);
      sessions.add(session);
      const seen = await chaosRequest(stage.url, TEST_KEY, session, own, report.requests++);
      asked.push({ session, seen });
    }
  }
  const clients = Array.from(
    { length: options.clients },
    () => client(seeded(random.int(1, 2 ** 31))),
  );
  const stop = watchLaws(stage, sessions);
  const ended = await inTime(Promise.all(clients));
  await stop();
  if (!ended) return void report.problems.push("clients wait for ever");
  if (!await quiet(stage)) {
    const { gateway, books, kept } = stage;
    report.problems.push(
      `stuck: ${gateway.active} requests, ${books.pending} store calls, ${kept.size} kept promises`,
    );
    return;
  }
  for (const problem of stage.books.broken.splice(0)) report.problems.push(`in flight: ${problem}`);
  await checkRound(stage, sessions, asked, shared);
  report.upstreamCalls = stage.upstream.calls;
  report.storeFaults = stage.books.faults;
  stage.upstream.given.clear();
  stage.books.grants.clear();
  stage.books.settled.clear();
  stage.books.ends.clear();
}

/** Looks at the limits while the requests run: law 1 holds always, not only at the end. */
function watchLaws(stage: Stage, sessions: ReadonlySet<string>): () => Promise<void> {
  let going = true;
  const done = (async () => {
    while (going) {
      // The shared one, which is the oldest, and the newest.
      for (const id of [...sessions].filter((_, i, all) => i === 0 || i >= all.length - 5)) {
        checkLimits(stage, id, (await stage.real.getSession(ORG, id))?.limits ?? []);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  return () => {
    going = false;
    return done;
  };
}

/** Whether nothing is under way any more. */
async function quiet(stage: Stage): Promise<boolean> {
  const end = performance.now() + STUCK_MS;
  for (let calm = 0; calm < 5;) {
    const { gateway, books, kept } = stage;
    calm = gateway.active === 0 && books.pending === 0 && kept.size === 0 ? calm + 1 : 0;
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return true;
}

async function inTime(work: Promise<unknown>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => timer = setTimeout(resolve, STUCK_MS, false));
  const ended = await Promise.race([work.then(() => true as const), late]);
  clearTimeout(timer);
  return ended;
}
