/** Scopes and limits in SQLite: reading them as they stand, and moving amounts between their columns. @module */
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import { statement } from "@synth/core/storage/sqlite";
import {
  type Amounts,
  bucketWidth,
  type LimitKind,
  type LimitSpec,
  type LimitState,
  LIVE_BUCKETS,
  mapAmounts,
  type Metric,
  type ScopeKind,
  used,
  WINDOW_BUCKETS,
} from "../limits.ts";

/** A row with 64-bit integers. */
export type Row = Record<string, bigint | string | null>;

/** A limit as the transaction sees it; kept up to date by the functions below. */
export interface LimitRow extends LimitState {
  readonly no: bigint;
  held: bigint;
  charged: bigint;
  overrun: bigint;
  /** Differs from its row; only of a scope that is gathered. */
  changed: boolean;
}

/** A scope as the transaction sees it. */
export interface ScopeRow {
  readonly no: bigint;
  readonly kind: ScopeKind;
  /** Milliseconds; never before what this scope has seen. */
  now: number;
  /** The time that its row holds. */
  clock: number;
  used: Amounts;
  readonly limits: LimitRow[];
  /** Where it is noted when it changes, its rows being written once before the commit; `null`: they are written at once. */
  gathered: Set<ScopeRow> | null;
  /** The prefixes that a session remembers, oldest first; `null`: not read yet. Only of a scope that is gathered. */
  memory: Map<string, number> | null;
}

/** First row, or `undefined`. */
export function row(db: DatabaseSync, sql: string, ...args: SQLInputValue[]): Row | undefined {
  return reader(db, sql).get(...args) as Row | undefined;
}

/** All rows. */
export function rows(db: DatabaseSync, sql: string, ...args: SQLInputValue[]): Row[] {
  return reader(db, sql).all(...args) as Row[];
}

/** Statements that were told to read 64-bit integers: to tell them costs as much as a small part of a query. */
const readers: WeakSet<StatementSync> = new WeakSet();

function reader(db: DatabaseSync, sql: string): StatementSync {
  const found = statement(db, sql);
  if (!readers.has(found)) {
    found.setReadBigInts(true);
    readers.add(found);
  }
  return found;
}

/** Runs a statement; returns how many rows it changed. */
export function run(db: DatabaseSync, sql: string, ...args: SQLInputValue[]): number {
  return Number(statement(db, sql).run(...args).changes);
}

/** Reads a scope at the store's time `raw`; `null` when nothing was ever written for it. */
export function findScope(
  db: DatabaseSync,
  org: string,
  kind: ScopeKind,
  id: string,
  raw: number,
): ScopeRow | null {
  const found = row(
    db,
    "SELECT no, clock, tokens, cost, gpu_time, api_calls FROM scopes WHERE org = ? AND kind = ? AND id = ?",
    org,
    kind,
    id,
  );
  if (found === undefined) return null;
  const no = found["no"] as bigint;
  const clock = Number(found["clock"]);
  const now = Math.max(raw, clock);
  const limits = rows(db, "SELECT * FROM limits WHERE scope = ? ORDER BY no", no);
  return {
    no,
    kind,
    now,
    clock,
    used: mapAmounts((metric) => found[metric] as bigint),
    limits: limits.map((limit) => limitOf(db, limit, kind, now)),
    gathered: null,
    memory: null,
  };
}

/** Reads a scope, making it when it is not there. */
export function makeScope(
  db: DatabaseSync,
  org: string,
  kind: ScopeKind,
  id: string,
  raw: number,
): ScopeRow {
  const found = findScope(db, org, kind, id, raw);
  if (found !== null) return found;
  const clock = kind === "session" ? raw : 0;
  run(db, "INSERT INTO scopes (org, kind, id, clock) VALUES (?, ?, ?, ?)", org, kind, id, clock);
  const made = findScope(db, org, kind, id, raw);
  if (made === null) throw new Error("A scope that was just made is there");
  return made;
}

function limitOf(db: DatabaseSync, found: Row, scope: ScopeKind, now: number): LimitRow {
  const windowMs = numberOrNull(found["window_ms"]);
  const no = found["no"] as bigint;
  const sums = windowMs === null ? found : row(
    db,
    `SELECT ifnull(sum(charged), 0) AS charged, ifnull(sum(overrun), 0) AS overrun FROM buckets
     WHERE limit_no = ? AND bucket >= ?`,
    no,
    oldestBucket(windowMs, now),
  );
  return {
    no,
    scope,
    id: found["id"] as string,
    metric: found["metric"] as Metric,
    kind: found["kind"] as LimitKind,
    value: found["value"] as bigint,
    windowMs,
    warnPpm: numberOrNull(found["warn_ppm"]),
    expiresAt: numberOrNull(found["expires_at"]),
    held: found["held"] as bigint,
    charged: sums?.["charged"] as bigint,
    overrun: sums?.["overrun"] as bigint,
    changed: false,
  };
}

/** The public face of a limit. */
export function stateOf(limit: LimitRow): LimitState {
  return {
    scope: limit.scope,
    id: limit.id,
    metric: limit.metric,
    kind: limit.kind,
    value: limit.value,
    windowMs: limit.windowMs,
    warnPpm: limit.warnPpm,
    expiresAt: limit.expiresAt,
    held: limit.held,
    charged: limit.charged,
    overrun: limit.overrun,
  };
}

/** Whether a limit decides at the scope's time. */
export function inForce(limit: LimitState, now: number): boolean {
  return limit.expiresAt === null || now < limit.expiresAt;
}

/** Adds a limit to a scope. One without a window takes over all that the scope has used. */
export function insertLimit(
  db: DatabaseSync,
  scope: ScopeRow,
  spec: LimitSpec,
): void {
  const past = spec.windowMs === null ? scope.used[spec.metric] : 0n;
  const charged = past < spec.value ? past : spec.value;
  run(
    db,
    `INSERT INTO limits (scope, id, metric, kind, value, window_ms, warn_ppm, expires_at, charged, overrun)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    scope.no,
    spec.id,
    spec.metric,
    spec.kind,
    spec.value,
    spec.windowMs,
    spec.warnPpm,
    spec.expiresAt,
    charged,
    past - charged,
  );
}

/** Moves the scope's clock to its time. */
export function tick(db: DatabaseSync, scope: ScopeRow): void {
  // What comes together in one millisecond writes it once.
  if (scope.clock === scope.now) return;
  scope.clock = scope.now;
  if (scope.gathered !== null) scope.gathered.add(scope);
  else run(db, "UPDATE scopes SET clock = ? WHERE no = ?", scope.now, scope.no);
}

/** Moves the scope's clock to its time and counts usage. */
export function advance(db: DatabaseSync, scope: ScopeRow, more: Amounts): void {
  scope.clock = scope.now;
  const { used } = scope;
  scope.used = {
    tokens: used.tokens + more.tokens,
    cost: used.cost + more.cost,
    gpu_time: used.gpu_time + more.gpu_time,
    api_calls: used.api_calls + more.api_calls,
  };
  if (scope.gathered !== null) scope.gathered.add(scope);
  else writeScope(db, scope);
}

function writeScope(db: DatabaseSync, { clock, used, no }: ScopeRow): void {
  run(
    db,
    "UPDATE scopes SET clock = ?, tokens = ?, cost = ?, gpu_time = ?, api_calls = ? WHERE no = ?",
    clock,
    used.tokens,
    used.cost,
    used.gpu_time,
    used.api_calls,
    no,
  );
}

/** Writes a gathered scope as it stands. */
export function writeGathered(db: DatabaseSync, scope: ScopeRow): void {
  writeScope(db, scope);
  for (const limit of scope.limits) {
    if (!limit.changed) continue;
    limit.changed = false;
    run(
      db,
      "UPDATE limits SET held = ?, charged = ?, overrun = ? WHERE no = ?",
      limit.held,
      limit.charged,
      limit.overrun,
      limit.no,
    );
  }
}

/** Adds to what open leases hold of a limit (or takes away). */
export function hold(db: DatabaseSync, scope: ScopeRow, limit: LimitRow, more: bigint): void {
  if (more === 0n) return;
  limit.held += more;
  if (scope.gathered === null) {
    run(db, "UPDATE limits SET held = held + ? WHERE no = ?", more, limit.no);
    return;
  }
  limit.changed = true;
  scope.gathered.add(scope);
}

/** Books amounts at the moment `at`. A window that has left that moment behind forgets them. */
export function book(
  db: DatabaseSync,
  scope: ScopeRow,
  limit: LimitRow,
  part: { charged: bigint; overrun: bigint; at: number },
): void {
  const { charged, overrun } = part;
  if (charged === 0n && overrun === 0n) return;
  if (scope.gathered !== null) {
    limit.changed = true;
    scope.gathered.add(scope);
  } else if (limit.windowMs === null) {
    run(
      db,
      "UPDATE limits SET charged = charged + ?, overrun = overrun + ? WHERE no = ?",
      charged,
      overrun,
      limit.no,
    );
  } else {
    const oldest = oldestBucket(limit.windowMs, scope.now);
    const bucket = bucketOf(limit.windowMs, part.at);
    if (bucket < oldest) return;
    run(
      db,
      `INSERT INTO buckets (limit_no, bucket, charged, overrun) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET charged = charged + excluded.charged, overrun = overrun + excluded.overrun`,
      limit.no,
      bucket,
      charged,
      overrun,
    );
    run(db, "DELETE FROM buckets WHERE limit_no = ? AND bucket < ?", limit.no, oldest);
  }
  limit.charged += charged;
  limit.overrun += overrun;
}

/** Books as a lease of just this size would have been: charged as far as there is room, the rest overrun. */
export function bookLoosely(
  db: DatabaseSync,
  scope: ScopeRow,
  limit: LimitRow,
  amount: bigint,
): void {
  const room = limit.value - used(limit) - limit.held;
  const charged = room <= 0n ? 0n : room < amount ? room : amount;
  book(db, scope, limit, { charged, overrun: amount - charged, at: scope.now });
}

/** Takes back what was booked loosely at `at`: overrun first. */
export function takeBackLoosely(
  db: DatabaseSync,
  scope: ScopeRow,
  limit: LimitRow,
  amount: bigint,
  at: number,
): void {
  const there = limit.windowMs === null ? limit.overrun : row(
    db,
    "SELECT overrun FROM buckets WHERE limit_no = ? AND bucket = ?",
    limit.no,
    bucketOf(limit.windowMs, at),
  )?.["overrun"] as bigint | undefined ?? 0n;
  const first = there < amount ? there : amount;
  book(db, scope, limit, { charged: first - amount, overrun: -first, at });
}

/** When a rolling window has room for `asked`, if nothing else is spent. */
export function freesAt(
  db: DatabaseSync,
  scope: ScopeRow,
  limit: LimitRow,
  asked: bigint,
): number | null {
  if (limit.windowMs === null) return null;
  let missing = asked === 0n ? 0n : used(limit) + limit.held + asked - limit.value;
  // A GPU limit refuses from the moment it is reached, not only beyond it.
  const toReopen = used(limit) - limit.value + 1n;
  if (limit.metric === "gpu_time" && toReopen > missing) missing = toReopen;
  const live = rows(
    db,
    "SELECT bucket, charged + overrun AS amount FROM buckets WHERE limit_no = ? AND bucket >= ? ORDER BY bucket",
    limit.no,
    oldestBucket(limit.windowMs, scope.now),
  );
  for (const { bucket, amount } of live) {
    missing -= amount as bigint;
    if (missing <= 0n) {
      return (Number(bucket) + LIVE_BUCKETS) * bucketWidth(limit.windowMs);
    }
  }
  return null;
}

function bucketOf(windowMs: number, at: number): number {
  return Math.floor(at / bucketWidth(windowMs));
}

function oldestBucket(windowMs: number, now: number): number {
  return bucketOf(windowMs, now) - WINDOW_BUCKETS;
}

/** A column that may be empty, as a number. */
export function numberOrNull(value: bigint | string | null | undefined): number | null {
  return value === null || value === undefined ? null : Number(value);
}
