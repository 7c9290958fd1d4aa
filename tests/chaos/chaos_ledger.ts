/** A ledger whose store has a bad day, in front of a real one. @module */
import { type Clock, SynthError } from "@synth/core";
import type {
  Grant,
  LeaseRef,
  ReserveInput,
  SessionLedger,
  Settled,
  SettleInput,
} from "../../gateway/sessions/ledger/ledger.ts";
import type { LimitState } from "../../gateway/sessions/limits.ts";
import type { Random } from "./random.ts";

/** What the gateway was granted and what it settled, by lease. */
export interface ChaosBooks {
  readonly grants: Map<string, Grant>;
  readonly settled: Map<string, SettleInput>;
  /** How often the gateway tried to end a lease, and whether it asked to charge what is held: that is tried once. */
  readonly ends: Map<string, { attempts: number; charges: boolean }>;
  /** Answers in which a limit holds and has charged more than it may. */
  readonly broken: string[];
  /** Verbs that are under way. */
  pending: number;
  /** Faults that were met. */
  faults: number;
}

/** The verbs that a request needs; the others are passed through. */
const VERBS = new Set(["reserve", "settle", "release", "activeSession", "expireLeases"]);

/**
 * Wraps `real`: calls fail before or after they are executed, are executed twice, or take their time.
 *
 * @param share of the calls that meet a fault
 */
export function chaosLedger(
  real: SessionLedger,
  random: Random,
  clock: Clock,
  share: number,
): { readonly ledger: SessionLedger; readonly books: ChaosBooks } {
  const books: ChaosBooks = {
    grants: new Map(),
    settled: new Map(),
    ends: new Map(),
    broken: [],
    pending: 0,
    faults: 0,
  };

  async function run(name: string, call: () => Promise<unknown>): Promise<unknown> {
    books.pending++;
    try {
      if (!random.chance(share)) return await call();
      books.faults++;
      switch (random.int(0, 3)) {
        case 0:
          throw unavailable(name);
        case 1:
          await call();
          throw unavailable(name);
        case 2:
          await call();
          return await call();
        default:
          await new Promise<void>((resolve) => clock.after(random.int(1, 3000), resolve));
          return await call();
      }
    } finally {
      books.pending--;
    }
  }

  const ledger: SessionLedger = new Proxy(real, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      if (name === "close") return () => Promise.resolve();
      if (typeof name !== "string" || !VERBS.has(name)) return member.bind(target);
      return async (...given: unknown[]) => {
        noteEnd(books, name, given[0]);
        const result = await run(name, async () => await member.apply(target, given));
        if (name === "reserve" && (result as Grant).granted) {
          books.grants.set((given[0] as ReserveInput).leaseId, result as Grant);
        }
        if (name === "settle") {
          const input = given[0] as SettleInput;
          books.settled.set(input.lease.leaseId, input);
        }
        if (name === "reserve" || name === "settle") {
          books.broken.push(...beyond((result as Partial<Settled>).limits ?? []));
        }
        return result;
      };
    },
  });
  return { ledger, books };
}

function noteEnd(books: ChaosBooks, verb: string, given: unknown): void {
  if (verb !== "settle" && verb !== "release") return;
  const settle = verb === "settle" ? given as SettleInput : null;
  const { leaseId } = settle === null ? given as LeaseRef : settle.lease;
  const end = books.ends.get(leaseId) ?? { attempts: 0, charges: false };
  books.ends.set(leaseId, {
    attempts: end.attempts + 1,
    charges: end.charges || settle?.actual === "held",
  });
}

/** Limits that break law 1. */
export function beyond(limits: readonly LimitState[]): string[] {
  return limits.filter(({ kind, value, charged, held }) =>
    kind === "hard" && charged + held > value
  )
    .map(({ metric, value, charged, held }) => `law 1: ${metric} ${charged} + ${held} > ${value}`);
}

function unavailable(verb: string): SynthError {
  return new SynthError(`The store did not answer ${verb}`, {
    code: "store_unavailable",
    status: 503,
  });
}
