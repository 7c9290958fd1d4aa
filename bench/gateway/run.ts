/** The gateway beside the pass-through: interleaved rounds, ratios within a round, the median of the ratios. @module */
import {
  memoryOfIdleStreams,
  memoryOver,
  type Scenario,
  scenarios,
  type Volume,
  warmUp,
} from "./measure.ts";
import { canPin, pinSelf, startSubject } from "./processes.ts";
import { type Figure, figure, median } from "./statistics.ts";
import { load } from "./load.ts";
import { type Contender, startPassThrough, startPortkey, startSynthGateway } from "./subjects.ts";

/** One line of the table. */
export interface GatewayFigure {
  readonly name: string;
  readonly unit: string;
  readonly passThrough: number;
  readonly synth: number;
  /** synth / pass-through. */
  readonly ratio: Figure;
  /** Portkey's gateway, where it was measured. */
  readonly portkey: { readonly value: number; readonly ratio: Figure } | null;
}

/** All figures of the gateway. Memory is in MB. */
export interface GatewayReport {
  readonly rounds: number;
  readonly pinned: boolean;
  readonly figures: readonly GatewayFigure[];
  /** Requests over which {@linkcode GatewayReport.memory} was taken. */
  readonly memoryRequests: number;
  /** Resident memory of synth after each twentieth of them. */
  readonly memory: readonly number[];
  /** What 200 idle streams add. */
  readonly idleStreams: { readonly passThrough: number; readonly synth: number };
  /** Milliseconds from the start of the process to the address it prints. */
  readonly startMs: number;
  /** From there to its first answer. */
  readonly firstAnswerMs: number;
}

const FULL: Volume = { unary: 2000, alone: 300, burst: 240, paced: 192 };
const QUICK: Volume = { unary: 1000, alone: 150, burst: 80, paced: 128 };

/** Requests that warm up. */
const WARM_UP = { full: 30_000, quick: 10_000 };

/**
 * Runs the rounds.
 *
 * @param only scenarios whose name has this text
 * @param peers whether Portkey's gateway is measured, too; npm fetches it
 */
export async function benchGateway(
  options: {
    readonly quick: boolean;
    readonly only?: string;
    readonly rounds?: number;
    readonly peers?: boolean;
  },
): Promise<GatewayReport> {
  const { quick, only = "", peers = false } = options;
  const rounds = options.rounds ?? (quick ? 3 : 7);
  const pinned = await canPin();
  const [sut, rest] = pinned ? [0, 1] : [null, null];
  if (rest !== null) await pinSelf(rest);
  const logs = await Deno.makeTempDir({ prefix: "synth-bench-" });
  try {
    await using upstream = await startSubject({
      args: ["run", "--quiet", "--allow-net", new URL("./mock_upstream.ts", import.meta.url).href],
      core: rest,
      stderr: `${logs}/upstream.log`,
    });
    await using floor = await startPassThrough(upstream, sut, logs);
    const start = performance.now();
    await using synth = await startSynthGateway(upstream, sut, logs);
    const startMs = Math.round(performance.now() - start);
    const asked = performance.now();
    await load(synth.target("json-400"), 1, 1);
    const firstAnswerMs = Math.round(performance.now() - asked);
    await using portkey = peers ? await startPortkey(upstream, sut, logs) : null;
    for (const contender of [floor, synth, ...(portkey === null ? [] : [portkey])]) {
      await warmUp(contender, quick ? WARM_UP.quick : WARM_UP.full);
    }
    const list = scenarios(quick ? QUICK : FULL).filter((one) => one.name.includes(only));
    const figures = await runRounds(list, floor, synth, portkey, rounds);
    const memoryRequests = quick ? 5000 : 100_000;
    return {
      rounds,
      pinned,
      figures,
      memoryRequests,
      memory: await memoryOver(synth, memoryRequests, 20),
      idleStreams: {
        passThrough: await memoryOfIdleStreams(floor, 200),
        synth: await memoryOfIdleStreams(synth, 200),
      },
      startMs,
      firstAnswerMs,
    };
  } finally {
    if (pinned) await pinSelf(null);
    await Deno.remove(logs, { recursive: true });
  }
}

async function runRounds(
  list: readonly Scenario[],
  floor: Contender,
  synth: Contender,
  portkey: Contender | null,
  rounds: number,
): Promise<GatewayFigure[]> {
  const values = new Map<Scenario, Map<Contender, number[]>>();
  for (let round = -1; round < rounds; round++) {
    for (const scenario of list) {
      const measured = values.get(scenario) ?? new Map<Contender, number[]>();
      values.set(scenario, measured);
      const contenders = [floor, synth];
      if (portkey !== null && scenario.peers === true) contenders.push(portkey);
      // Who comes second finds warmer caches, or a busier neighbour.
      for (const contender of shuffled(contenders)) {
        const value = await scenario.measure(contender);
        // The first round warms up.
        if (round >= 0) measured.set(contender, [...(measured.get(contender) ?? []), value]);
      }
    }
  }
  return [...values].map(([{ name, unit }, measured]) => {
    const base = measured.get(floor) ?? [];
    const ours = measured.get(synth) ?? [];
    const theirs = portkey === null ? undefined : measured.get(portkey);
    return {
      name,
      unit,
      passThrough: median(base),
      synth: median(ours),
      ratio: figure(ratios(ours, base)),
      portkey: theirs === undefined
        ? null
        : { value: median(theirs), ratio: figure(ratios(ours, theirs)) },
    };
  });
}

/** Within each round. */
function ratios(above: readonly number[], below: readonly number[]): number[] {
  return above.map((value, round) => value / (below[round] ?? NaN));
}

function shuffled<T>(list: readonly T[]): T[] {
  const left = [...list];
  const order: T[] = [];
  while (left.length > 0) {
    order.push(...left.splice(Math.floor(Math.random() * left.length), 1));
  }
  return order;
}

if (import.meta.main) {
  const report = await benchGateway({ quick: true, only: Deno.args[0] ?? "" });
  await Deno.stdout.write(new TextEncoder().encode(`${JSON.stringify(report, null, 1)}\n`));
}
