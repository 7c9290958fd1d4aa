/** What must hold after a chaos run, and during it. @module */
import type { UsageEvent } from "../../gateway/sessions/ledger/ledger.ts";
import type { LimitState } from "../../gateway/sessions/limits.ts";
import { budgetPrincipal } from "../support/budget_in_process.ts";
import type { Seen } from "./chaos_client.ts";
import { beyond } from "./chaos_ledger.ts";
import { type ChaosReply, MAYBE_BILLED } from "./chaos_replies.ts";
import { type Asked, ORG, type Stage } from "./chaos_stage.ts";

/** Longer than any lease lives here. */
const LEASES_END_MS = 10 * 60_000;
/** How often a settlement is tried. */
const SETTLE_ATTEMPTS = 4;

/** Law 1, on what the limits say. */
export function checkLimits(stage: Stage, where: string, limits: readonly LimitState[]): void {
  for (const problem of beyond(limits)) stage.report.problems.push(`${where}: ${problem}`);
}

/** Compares the books with what clients and upstream saw, once nothing is under way. */
export async function checkRound(
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

/** The scopes above the sessions say what the sessions say together. */
export async function checkOrg(stage: Stage): Promise<void> {
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
export function noteInternalErrors(stage: Stage, lines: readonly string[]): void {
  for (const line of lines) {
    if (line.includes('"error_code":"internal_error"') || line.includes("TypeError")) {
      stage.report.problems.push(`the log: ${line.slice(0, 600)}`);
    }
  }
}
