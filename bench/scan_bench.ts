/**
 * How long a scan takes, as a ratio to nothing but parallel connections to the same ports: `deno run -A bench/scan_bench.ts`.
 *
 * 101 ports: 3 task apps, 3 other servers, 94 closed, and one that takes connections and never answers. The last one costs a scan its request
 * timeout, so it is measured with and without.
 *
 * @module
 */
import { scanTaskApps } from "@synth/task-app/discovery";
import { findOpenPorts } from "../task_app/discovery/port_scan.ts";
import { acceptsConnection } from "../task_app/discovery/system.ts";
import { listenInRow, type RowServer } from "../task_app/discovery/testing/listen_in_row.ts";

const ROUNDS = 15;
const TIMEOUT_MS = 500;

const taskApp: Deno.ServeHandler = (request) => {
  const { pathname } = new URL(request.url);
  return pathname === "/health"
    ? Response.json({ healthy: true })
    : Response.json({ service: { task: { id: "bench" } } });
};
const other: Deno.ServeHandler = () => new Response("no", { status: 404 });

async function time(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

async function measure(name: string, servers: readonly RowServer[]): Promise<void> {
  await using row = await listenInRow(servers);
  const ports = { first: row.first, last: row.first + 100 };
  const { signal } = new AbortController();
  const bare: number[] = [];
  const scans: number[] = [];
  for (let i = 0; i < ROUNDS + 2; i++) {
    const connect = (host: string, port: number) => acceptsConnection(host, port, 500, signal);
    const connects = await time(() => findOpenPorts(ports, connect, signal));
    const scan = await time(() => scanTaskApps({ ports, processes: null, timeoutMs: TIMEOUT_MS }));
    // The first rounds warm up.
    if (i >= 2) {
      bare.push(connects);
      scans.push(scan);
    }
  }
  const [base, whole] = [median(bare), median(scans)];
  const line = `${name.padEnd(28)} connects ${base.toFixed(0)} ms, scan ${whole.toFixed(0)} ms, ` +
    `${(whole / base).toFixed(1)}x\n`;
  await Deno.stdout.write(new TextEncoder().encode(line));
}

if (import.meta.main) {
  const answering = [taskApp, taskApp, taskApp, other, other, other];
  await measure("3 apps, 3 others", answering);
  await measure(`and one that hangs (${TIMEOUT_MS} ms)`, [...answering, "hangs"]);
}
