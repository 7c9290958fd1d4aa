/** What the figures are held to. @module */
import type { GatewayReport } from "./gateway/run.ts";

/** A figure and its bound. */
export interface Gate {
  readonly name: string;
  readonly value: number;
  readonly most: number;
}

/** CPU as a multiple of the pass-through's, by a word of the scenario's name. */
const MOST_CPU: readonly (readonly [string, number])[] = [
  ["CPU per unary request, 0.4 KB", 2],
  ["CPU per unary request, 10 KB", 2],
  ["CPU per chunk, burst", 2],
  ["CPU per chunk, paced", 2],
];
/** V8 sweeps what has grown old once in some 50,000 of these requests: a half that is shorter shows the way up to a sweep, and no leak. */
const MIN_MEMORY_REQUESTS = 100_000;
/** MB that the second half of the requests may add. */
const MOST_GROWTH = 5;

/** The gates of the gateway's figures. */
export function gatesOf(report: GatewayReport): Gate[] {
  const gates: Gate[] = [];
  for (const [name, most] of MOST_CPU) {
    const found = report.figures.find((one) => one.name === name);
    if (found !== undefined) {
      gates.push({ name: `${name}, times the pass-through's`, value: found.ratio.median, most });
    }
  }
  if (report.memoryRequests < MIN_MEMORY_REQUESTS) return gates;
  // The garbage collector's comings and goings are larger than a leak would be: what counts is the highest of each half.
  const half = report.memory.length / 2;
  const growth = Math.max(...report.memory.slice(half)) - Math.max(...report.memory.slice(0, half));
  gates.push({
    name: `memory added by the last ${report.memoryRequests / 2} requests, MB`,
    value: Math.max(0, growth),
    most: MOST_GROWTH,
  });
  return gates;
}
