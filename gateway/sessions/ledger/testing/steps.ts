/** Random steps for the ledger, and what their small numbers stand for. @module */
import fc from "fast-check";
import type { LimitSpec } from "../../limits.ts";
import type { Attach, ReserveInput, SessionSpec } from "../ledger.ts";

/** One step. Small numbers: ids meet each other often. */
export type Step =
  | { do: "open"; session: number; user: number; active: boolean; kind: number }
  | { do: "end" | "heartbeat"; session: number }
  | { do: "limit"; scope: number; kind: number; id: number }
  | { do: "raise"; scope: number; id: number; by: number; operation: number }
  | {
    do: "reserve";
    lease: number;
    attach: number;
    user: number;
    key: number;
    input: number;
    wanted: number;
    min: number;
    times: number;
    price: number;
    fees: number;
    extra: number;
    ttl: number;
    prefixes: number[];
  }
  | { do: "release"; lease: number }
  | { do: "settle"; lease: number; share: number; prefix: number }
  | { do: "expire" }
  | { do: "record"; session: number; key: number; reference: number; amount: number }
  | { do: "time"; ms: number };

/** Sessions that the steps speak of. */
export const SESSIONS = 2;
const LEASES = 5;
/** When every run begins. */
export const START = 1_750_000_000_000;

/** Any interleaving. */
export function steps(maxLength: number): fc.Arbitrary<Step[]> {
  const session = fc.nat(SESSIONS - 1);
  const user = fc.nat(1);
  const key = fc.nat(1);
  const lease = fc.nat(LEASES - 1);
  const scope = fc.nat(SESSIONS + 2);
  const step = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant("open" as const),
        session,
        user,
        active: fc.boolean(),
        kind: fc.nat(63),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("end", "heartbeat"), session }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant("limit" as const),
        scope,
        kind: fc.nat(15),
        id: fc.nat(3),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant("raise" as const),
        scope,
        id: fc.nat(3),
        by: fc.integer({ min: 1, max: 500 }),
        operation: fc.nat(2),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant("reserve" as const),
        lease,
        attach: fc.nat(4),
        user,
        key,
        // Round numbers meet limits exactly.
        input: fc.oneof(fc.nat(300), fc.constantFrom(0, 100, 200)),
        wanted: fc.oneof(fc.nat(400), fc.constantFrom(0, 100, 300)),
        min: fc.oneof(fc.nat(40), fc.constantFrom(0, 100)),
        times: fc.constantFrom(1, 1, 1, 2, 3),
        price: fc.constantFrom(0, 0, 1, 2, 3, 4, 5),
        fees: fc.nat(30),
        extra: fc.nat(9),
        ttl: fc.nat(4000),
        prefixes: fc.array(fc.nat(40), { maxLength: 3 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("release" as const), lease }) },
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant("settle" as const),
        lease,
        share: fc.nat(12),
        prefix: fc.nat(40),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("expire" as const) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant("record" as const),
        session,
        key,
        reference: fc.nat(2),
        amount: fc.nat(600),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant("time" as const),
        ms: fc.oneof(
          fc.integer({ min: 0, max: 3000 }),
          fc.constantFrom(-5000, -90_000, 59_000, 60_000, 61_000, 1000, 4000),
        ),
      }),
    },
  ) as fc.Arbitrary<Step>;
  return fc.array(step, { minLength: 1, maxLength, size: "max" });
}

/** Prices by number. */
export const RATES: readonly ReserveInput["rates"][] = [
  [{ aboveInput: 0, input: 0n, output: 0n }],
  [{ aboveInput: 0, input: 1_000_000n, output: 3_500_001n }],
  [{ aboveInput: 0, input: 333_333n, output: 12_000_000n }],
  [{ aboveInput: 0, input: 1_250_000n, output: 0n }, {
    aboveInput: 100,
    input: 2_500_000n,
    output: 15_000_001n,
  }],
  [{ aboveInput: 0, input: 7n, output: 13n }],
  null,
];

/** Session ids by number. */
export function sessionId(index: number): string {
  return `sess_${String(index).padStart(26, "0")}`;
}

/** Lease ids by number. */
export function leaseId(index: number): string {
  return `lease_${index}`;
}

/** Ways to attach by number. */
export function attachOf(index: number): Attach {
  if (index < SESSIONS) return { kind: "id", id: sessionId(index) };
  if (index === SESSIONS) return { kind: "none" };
  return { kind: "auto", open: specOf(index - SESSIONS, 2 + 16 * (index % 3)) };
}

/** The type names the kind, so that two specs of one id can be told apart. */
export function specOf(session: number, kind: number): SessionSpec {
  const times = kind >> 4;
  return {
    id: sessionId(session),
    ttlMs: times === 1 ? 20_000 : null,
    idleMs: times === 2 ? 6000 : null,
    limits: [limitOf("x0", kind, START), limitOf("x1", kind * 7 + 3, START)],
    type: `kind${kind}`,
    tracingSessionId: null,
    metadata: {},
  };
}

/** Limits by number. */
export function limitOf(id: string, kind: number, now: number): LimitSpec {
  const base = { id, kind: "hard" as const, windowMs: null, warnPpm: null, expiresAt: null };
  switch (kind % 16) {
    case 0:
    case 1:
      return { ...base, metric: "tokens", value: 1000n };
    case 2:
      return { ...base, metric: "tokens", value: 300n };
    case 3:
    case 4:
      return { ...base, metric: "cost", value: 5000n };
    case 5:
      return { ...base, metric: "cost", value: 0n };
    case 6:
      return { ...base, metric: "api_calls", value: 1n };
    case 7:
      return { ...base, metric: "gpu_time", value: 100n };
    case 8:
      return { ...base, metric: "tokens", kind: "soft", value: 300n, warnPpm: 500_000 };
    case 9:
    case 10:
      return { ...base, metric: "tokens", value: 900n, windowMs: 60_000 };
    case 11:
      return { ...base, metric: "cost", value: 3000n, windowMs: 7_777 };
    case 12:
      return { ...base, metric: "gpu_time", value: 50n, windowMs: 60_000 };
    case 13:
      return { ...base, metric: "tokens", value: 400n, expiresAt: now + 5000 };
    case 14:
      return { ...base, metric: "cost", kind: "soft", value: 200n, windowMs: 10_000 };
    default:
      return { ...base, metric: "tokens", value: 0n };
  }
}
