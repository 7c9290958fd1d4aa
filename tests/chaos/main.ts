/** `deno task chaos [--minutes N] [--seed S] [--clients N]`: runs as long as it is told, then says what it found. @module */
import { parseArgs } from "@std/cli";
import { runChaos } from "./chaos_run.ts";

const USAGE = "deno task chaos [--minutes N] [--seed S] [--clients N]";

if (import.meta.main) Deno.exit(await main(Deno.args));

async function main(args: string[]): Promise<number> {
  const given = parseArgs(args, { string: ["minutes", "seed", "clients"] });
  const minutes = Number(given.minutes ?? 1);
  const seed = Number(given.seed ?? Date.now() % 1_000_000);
  const clients = Number(given.clients ?? 12);
  if (!(minutes > 0) || !Number.isSafeInteger(seed) || !(clients > 0) || given._.length > 0) {
    say(USAGE);
    return 2;
  }
  const end = performance.now() + minutes * 60_000;
  const heap: number[] = [];
  let rounds = 0;
  const report = await runChaos({
    seed,
    again: () => performance.now() < end,
    requests: 100,
    clients,
    storeFaults: 0.06,
    onRound(sofar) {
      heap.push(usedHeap());
      if (++rounds % 10 === 0) {
        say(
          `${rounds} rounds, ${sofar.requests} requests, ${sofar.upstreamCalls} upstream calls, ` +
            `${sofar.storeFaults} store faults, ${sofar.problems.length} problems, ` +
            `heap ${megabytes(heap.at(-1) ?? 0)} MB`,
        );
      }
    },
  });
  for (const problem of new Set(report.problems)) say(`PROBLEM ${problem}`);
  const grew = growth(heap);
  say(
    `seed ${seed}: ${report.requests} requests, ${report.upstreamCalls} upstream calls, ` +
      `${report.storeFaults} store faults, ${report.gone} clients gone, ${report.events} journal lines, ` +
      `${report.expired} expired leases, ${report.tokens} tokens; statuses ` +
      `${[...report.statuses].sort(([a], [b]) => a - b).map(([s, n]) => `${s}: ${n}`).join(", ")}`,
  );
  say(`heap: least of the second quarter and of the last: ${grew.map(megabytes).join(", ")} MB`);
  const [before = 0, after = 0] = grew;
  // The journal lies in memory here and may grow; what requests leave behind may not.
  if (rounds >= 40 && after > before * 2 + 64e6) {
    say("PROBLEM memory grows");
    return 1;
  }
  return report.problems.length === 0 ? 0 : 1;
}

/** The least heap of the second quarter, when all is warm, and of the last. */
function growth(heap: readonly number[]): [number, number] {
  const quarter = Math.max(1, Math.floor(heap.length / 4));
  return [
    Math.min(...heap.slice(quarter, quarter * 2), Infinity),
    Math.min(...heap.slice(-quarter)),
  ];
}

function usedHeap(): number {
  const collect: unknown = Reflect.get(globalThis, "gc");
  if (typeof collect === "function") collect();
  return Deno.memoryUsage().heapUsed;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

function say(line: string): void {
  // deno-lint-ignore no-console
  console.error(line);
}
