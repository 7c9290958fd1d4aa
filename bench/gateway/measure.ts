/** What is measured of a contender in one round. @module */
import { load, openStream } from "./load.ts";
import { median } from "./statistics.ts";
import type { Contender, Mode, Question } from "./subjects.ts";

/** One kind of measurement; a round takes it of every contender. */
export interface Scenario {
  readonly name: string;
  readonly unit: string;
  /** Whether less of it is better. */
  readonly cost: boolean;
  /** Whether other gateways are measured, too. */
  readonly peers?: boolean;
  measure(contender: Contender): Promise<number>;
}

/** How much is sent. */
export interface Volume {
  readonly unary: number;
  readonly alone: number;
  readonly burst: number;
  readonly paced: number;
}

/** What goes before a measurement, as a share of it. */
const LEAD_IN = 0.25;
const BURST_CHUNKS = 200;
const PACED_CHUNKS = 100;

/** The scenarios. Latency counts at one connection, throughput at 16, and at 64 what sharing a commit saves; CPU is the least noisy of all. */
export function scenarios(volume: Volume): Scenario[] {
  return [
    { ...cpu("CPU per unary request, 0.4 KB", volume.unary, 16, 1, "json-400", {}), peers: true },
    cpu("CPU per unary request, 0.4 KB, 64 connections", volume.unary, 64, 1, "json-400", {}),
    cpu("CPU per unary request, 0.4 KB, answer stored", volume.unary, 16, 1, "json-400", {
      store: true,
    }),
    cpu("CPU per unary request, 10 KB", volume.unary / 2, 16, 1, "json-10k", {
      promptBytes: 10_000,
    }),
    cpu(
      "CPU per unary request, upstream streams 40 chunks",
      volume.unary / 4,
      16,
      1,
      "sse-short",
      {},
    ),
    cpu("CPU per chunk, burst", volume.burst, 8, BURST_CHUNKS, "sse-burst", { stream: true }),
    cpu("CPU per chunk, paced", volume.paced, 64, PACED_CHUNKS, "sse-paced", { stream: true }),
    {
      name: "p50 with one connection, 0.4 KB",
      unit: "ms",
      cost: true,
      peers: true,
      measure: async (contender) =>
        median((await load(contender.target("json-400"), 1, volume.alone)).latencies),
    },
    {
      name: "requests a second, 16 connections",
      unit: "/s",
      cost: false,
      peers: true,
      async measure(contender) {
        const { seconds } = await load(contender.target("json-400"), 16, volume.unary);
        return volume.unary / seconds;
      },
    },
  ];
}

function cpu(
  name: string,
  total: number,
  connections: number,
  parts: number,
  mode: Mode,
  request: Question,
): Scenario {
  return {
    name,
    unit: "µs",
    cost: true,
    async measure(contender) {
      const count = Math.ceil(total);
      // While the others were measured this one was idle, and V8 has taken its young generation back.
      await load(contender.target(mode, request), connections, Math.ceil(count * LEAD_IN));
      const before = contender.subject.cpuMs();
      await load(contender.target(mode, request), connections, count);
      return (contender.subject.cpuMs() - before) * 1000 / count / parts;
    },
  };
}

/**
 * Has a contender do what will be measured, until V8 has compiled what it will: the gateway's functions are many, and take some 30,000 requests; a bare
 * server's take a few thousand.
 */
export async function warmUp(contender: Contender, requests: number): Promise<void> {
  await load(contender.target("json-400"), 16, requests);
  await load(contender.target("json-10k", { promptBytes: 10_000 }), 16, requests / 10);
}

/** Resident memory in MB after each of `steps` equal parts of `total` unary requests. */
export async function memoryOver(
  contender: Contender,
  total: number,
  steps: number,
): Promise<number[]> {
  const sizes: number[] = [];
  for (let i = 0; i < steps; i++) {
    await load(contender.target("json-400"), 16, total / steps);
    sizes.push(contender.subject.rssMb());
  }
  return sizes;
}

/** Resident memory in MB that `count` open streams add while nothing comes. */
export async function memoryOfIdleStreams(contender: Contender, count: number): Promise<number> {
  const before = contender.subject.rssMb();
  const target = contender.target("sse-idle", { stream: true });
  const open: Disposable[] = [];
  for (let i = 0; i < count; i++) open.push(await openStream(target));
  const after = contender.subject.rssMb();
  for (const stream of open) stream[Symbol.dispose]();
  return after - before;
}
