/**
 * A gateway between clients, a model server and a store that all have a bad day; afterwards the books are compared with what each of them saw.
 *
 * @module
 */
import { createLogger } from "@synth/core";
import { Authenticator } from "@synth/core/auth";
import { createGateway, type Gateway } from "@synth/gateway";
import { undiciTransport } from "@synth/gateway/deno";
import type { SessionLedger, UsageEvent } from "../../gateway/sessions/ledger/ledger.ts";
import { openSqliteLedger } from "../../gateway/sessions/ledger/ledger_sqlite.ts";
import type { LimitState } from "../../gateway/sessions/limits.ts";
import { budgetPrincipal, hard, inProcessConfig, openIn } from "../support/budget_in_process.ts";
import { type RawReply, type RawServer, serveRaw } from "../support/raw_http.ts";
import { isRecord, type Rec } from "../support/response_shape.ts";
import { ImpatientClock, TEST_KEY } from "../support/test_gateway.ts";
import { chaosRequest, type Seen } from "./chaos_client.ts";
import { beyond, type ChaosBooks, chaosLedger } from "./chaos_ledger.ts";
import { type ChaosReply, chaosReply, MAYBE_BILLED } from "./chaos_replies.ts";
import { type Random, seeded } from "./random.ts";

/** What to do. */
export interface ChaosOptions {
  readonly seed: number;
  /** Rounds of {@linkcode ChaosOptions.requests} requests; asked before each round whether to go on. */
  readonly again: (round: number) => boolean;
  /** Requests of a round. */
  readonly requests: number;
  /** Requests at the same time. */
  readonly clients: number;
  /** Share of the store's calls that meet a fault. */
  readonly storeFaults: number;
  /** Where the ledger lies. @default {":memory:"} */
  readonly path?: string;
  readonly onRound?: (report: ChaosReport) => void;
  /** Stands between the gateway and the ledger: for showing that broken books are noticed. */
  readonly tamper?: (ledger: SessionLedger) => SessionLedger;
}

/** What came of it. */
export interface ChaosReport {
  requests: number;
  upstreamCalls: number;
  storeFaults: number;
  events: number;
  /** Leases that were charged because nobody settled them: settlements that met a dead store too often. */
  expired: number;
  gone: number;
  tokens: bigint;
  /** How often each status was seen. */
  readonly statuses: Map<number, number>;
  /** What is wrong; at most a hundred. */
  readonly problems: string[];
}

interface Upstream extends RawServer {
  /** The replies that each request (by its id) was given. */
  readonly given: Map<string, ChaosReply[]>;
  calls: number;
}

interface Stage {
  readonly options: ChaosOptions;
  readonly random: Random;
  readonly clock: ImpatientClock;
  readonly real: SessionLedger;
  readonly books: ChaosBooks;
  readonly gateway: Gateway;
  readonly upstream: Upstream;
  readonly url: string;
  readonly kept: Set<Promise<unknown>>;
  readonly report: ChaosReport;
}

const ORG = budgetPrincipal().org;
/** Milliseconds of the gateway's time that pass in {@linkcode TICK_REAL_MS} of ours: a stall of ten seconds takes a fifth of one. */
const TICK_MS = 250;
const TICK_REAL_MS = 5;
/** Longer than any lease lives here. */
const LEASES_END_MS = 10 * 60_000;
/** How often a settlement is tried. */
const SETTLE_ATTEMPTS = 4;
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

interface Asked {
  readonly session: string;
  readonly seen: Seen;
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

function checkLimits(stage: Stage, where: string, limits: readonly LimitState[]): void {
  for (const problem of beyond(limits)) stage.report.problems.push(`${where}: ${problem}`);
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

async function checkRound(
  stage: Stage,
  sessions: ReadonlySet<string>,
  asked: readonly Asked[],
  shared: string,
): Promise<void> {
  const { clock, real, report } = stage;
  // Leases whose settlement met a dead store four times over: the sweep charges them.
  await clock.tick(LEASES_END_MS);
  while ((await real.expireLeases(ORG, 1000)).expired > 0);
  const events = new Map<string, UsageEvent[]>();
  for (const id of sessions) events.set(id, await checkSession(stage, id));
  for (const { session, seen } of asked) {
    report.statuses.set(seen.status, (report.statuses.get(seen.status) ?? 0) + 1);
    if (seen.gone) report.gone++;
    const given = stage.upstream.given.get(seen.requestId ?? "") ?? [];
    const names = given.map((reply) => reply.name).join(", ");
    for (const problem of seen.problems) {
      report.problems.push(`${seen.kind} after ${names}: ${problem}`);
    }
    const found = events.get(session) ?? [];
    checkBooked(stage, seen, given, found, session === shared);
  }
}

/** The session's sum is its journal's, nothing is held, and each line is what was reported or what the rules estimate. */
async function checkSession(stage: Stage, id: string): Promise<UsageEvent[]> {
  const { real, report, books } = stage;
  const session = await real.getSession(ORG, id);
  if (session === null) {
    report.problems.push(`${id}: the session is gone`);
    return [];
  }
  const events: UsageEvent[] = [];
  for (let offset = 0;; offset += 1000) {
    const page = await real.listUsage(ORG, { sessionId: id, limit: 1000, offset });
    events.push(...page);
    if (page.length < 1000) break;
  }
  checkLimits(stage, id, session.limits);
  for (const { metric, held, charged, overrun } of session.limits) {
    if (held !== 0n) report.problems.push(`${id}: ${held} ${metric} are held for ever`);
    const sum = events.reduce((total, event) => total + event.amounts[metric], 0n);
    if (charged + overrun !== sum) {
      report.problems.push(`${id}: law 3: ${metric} ${charged} + ${overrun} != journal ${sum}`);
    }
  }
  const ids = new Set(events.map((event) => event.id));
  if (ids.size !== events.length) report.problems.push(`${id}: a lease is in the journal twice`);
  for (const event of events) {
    report.events++;
    report.tokens += event.amounts.tokens;
    if (event.expired) {
      report.expired++;
      noteExpired(stage, id, event.id);
    }
    const grant = books.grants.get(event.id);
    if (grant === undefined) {
      // Its reserve's answer was lost, and so was every attempt to give it back.
      if (!event.expired) report.problems.push(`${id}: ${event.id} was settled, never granted`);
    } else if (event.expired || event.detail?.estimated !== false) {
      const { tokens } = event.amounts;
      if (tokens > grant.held.tokens && event.overrun.tokens === 0n) {
        report.problems.push(`${id}: estimated ${tokens} of ${grant.held.tokens} without overrun`);
      }
    }
  }
  return events;
}

/** A lease may expire when its grant was not heard, or when the store failed each time that somebody tried to end it. */
function noteExpired({ books, report }: Stage, session: string, lease: string): void {
  if (!books.grants.has(lease)) return;
  const end = books.ends.get(lease);
  if (end === undefined) report.problems.push(`${session}: ${lease} expired, ended by nobody`);
  else if (!end.charges && end.attempts < SETTLE_ATTEMPTS) {
    report.problems.push(`${session}: ${lease} expired, given up after ${end.attempts} attempts`);
  }
}

/** What the client and the upstream saw of a request is in the journal. */
function checkBooked(
  stage: Stage,
  seen: Seen,
  given: readonly ChaosReply[],
  events: readonly UsageEvent[],
  isShared: boolean,
): void {
  const { report } = stage;
  const where = `${seen.kind} after ${given.map((reply) => reply.name).join(", ")}`;
  const last = given.at(-1);
  if (given.length === 0) {
    if (seen.status === 200) report.problems.push(`${where}: an answer from nowhere`);
    return;
  }
  const expired = events.some((event) => event.expired);
  const reported = last?.reported ?? null;
  // A whole answer whose count the client was told: the same count was charged.
  if (reported !== null && seen.totalTokens !== null) {
    if (seen.totalTokens !== reported) {
      report.problems.push(`${where}: reported ${reported}, the client saw ${seen.totalTokens}`);
    }
    const booked = events.some((event) => event.amounts.tokens === BigInt(reported));
    if (!booked && !expired) report.problems.push(`${where}: ${reported} tokens are not booked`);
  }
  if (isShared || seen.gone) return;
  // A session of its own: one line for each attempt at most, and one at least when the model answered.
  if (events.length > given.length + (expired ? 1 : 0)) {
    report.problems.push(`${where}: ${given.length} calls, ${events.length} lines in the journal`);
  }
  const worked = given.filter((reply) => MAYBE_BILLED.has(reply.name)).length;
  if (events.length < worked) {
    report.problems.push(`${where}: ${worked} may have cost, ${events.length} are in the journal`);
  }
  if (seen.status === 200 && events.length === 0 && last !== undefined && isAnswer(last)) {
    report.problems.push(`${where}: nothing was booked`);
  }
}

/** Whether the model has produced something that costs. */
function isAnswer(reply: ChaosReply): boolean {
  return reply.reported !== null;
}

async function checkOrg(stage: Stage): Promise<void> {
  const { real, report } = stage;
  for (const kind of ["org", "key"] as const) {
    const id = kind === "org" ? ORG : budgetPrincipal().keyId;
    const scope = await real.scope({ org: ORG, kind, id });
    checkLimits(stage, kind, scope?.limits ?? []);
    for (const limit of scope?.limits ?? []) {
      if (limit.held !== 0n) report.problems.push(`${kind}: ${limit.held} are held for ever`);
    }
    if (scope !== null && scope.used.tokens !== report.tokens) {
      report.problems.push(`${kind}: used ${scope.used.tokens}, the sessions ${report.tokens}`);
    }
  }
}

/** Bugs of the gateway show in its log. */
function noteInternalErrors(stage: Stage, lines: readonly string[]): void {
  for (const line of lines) {
    if (line.includes('"error_code":"internal_error"') || line.includes("TypeError")) {
      stage.report.problems.push(`the log: ${line.slice(0, 600)}`);
    }
  }
}
