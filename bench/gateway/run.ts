/** The gateway beside the pass-through: interleaved rounds, ratios within a round, the median of the ratios. @module */
import {
  memoryOfIdleStreams,
  memoryOver,
  type Scenario,
  scenarios,
  type Volume,
} from "./measure.ts";
import { canPin, pinSelf, startSubject } from "./processes.ts";
import { type Figure, figure, median } from "./statistics.ts";
import { type Contender, startPassThrough, startSynthGateway } from "./subjects.ts";

/** One line of the table. */
export interface GatewayFigure {
  readonly name: string;
  readonly unit: string;
  readonly passThrough: number;
  readonly synth: number;
  /** synth / pass-through. */
  readonly ratio: Figure;
}

/** All figures of the gateway. Memory is in MB. */
export interface GatewayReport {
  readonly rounds: number;
  readonly pinned: boolean;
  readonly figures: readonly GatewayFigure[];
  /** Requests over which {@linkcode GatewayReport.memory} was taken. */
  readonly memoryRequests: number;
  /** Resident memory of synth after each tenth of them. */
  readonly memory: readonly number[];
  /** What 200 idle streams add. */
  readonly idleStreams: { readonly passThrough: number; readonly synth: number };
  /** Milliseconds from the start of the process to the address it prints. */
  readonly startMs: number;
}

const FULL: Volume = { unary: 2000, alone: 300, burst: 240, paced: 192 };
const QUICK: Volume = { unary: 1000, alone: 150, burst: 80, paced: 128 };

/** Runs the rounds. @param only scenarios whose name has this text */
export async function benchGateway(
  options: { readonly quick: boolean; readonly only?: string; readonly rounds?: number },
): Promise<GatewayReport> {
  const { quick, only = "" } = options;
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
    const list = scenarios(quick ? QUICK : FULL).filter((one) => one.name.includes(only));
    const figures = await runRounds(list, [floor, synth], rounds);
    const memoryRequests = quick ? 5000 : 20_000;
    return {
      rounds,
      pinned,
      figures,
      memoryRequests,
      memory: await memoryOver(synth, memoryRequests, 10),
      idleStreams: {
        passThrough: await memoryOfIdleStreams(floor, 200),
        synth: await memoryOfIdleStreams(synth, 200),
      },
      startMs,
    };
  } finally {
    if (pinned) await pinSelf(null);
    await Deno.remove(logs, { recursive: true });
  }
}

async function runRounds(
  list: readonly Scenario[],
  [floor, synth]: readonly [Contender, Contender],
  rounds: number,
): Promise<GatewayFigure[]> {
  const pairs = new Map<Scenario, [number, number][]>();
  for (let round = -1; round < rounds; round++) {
    for (const scenario of list) {
      const pair: [number, number] = [NaN, NaN];
      // Who comes second finds warmer caches, or a busier neighbour.
      for (const index of Math.random() < 0.5 ? [0, 1] : [1, 0]) {
        pair[index] = await scenario.measure(index === 0 ? floor : synth);
      }
      // The first round warms up.
      if (round >= 0) pairs.set(scenario, [...(pairs.get(scenario) ?? []), pair]);
    }
  }
  return [...pairs].map(([{ name, unit }, values]) => ({
    name,
    unit,
    passThrough: median(values.map(([a]) => a)),
    synth: median(values.map(([, b]) => b)),
    ratio: figure(values.map(([a, b]) => b / a)),
  }));
}

if (import.meta.main) {
  const report = await benchGateway({ quick: true, only: Deno.args[0] ?? "" });
  await Deno.stdout.write(new TextEncoder().encode(`${JSON.stringify(report, null, 1)}\n`));
}
