/**
 * `deno task bench`: what the gateway costs beside a bare pass-through, and the figures of its parts.
 *
 *     deno task bench [--quick] [--force] [--check] [--no-peers] [gateway] [trips] [ledger] [bridge] [bundle] [cli]
 *
 * Without names it measures everything. A machine that does something else gives no figures: it ends with 75, unless `--force` says to go on.
 * `--check` ends with 1 when a gate does not hold. Portkey's gateway is measured beside ours; npm fetches it, unless `--no-peers` says not to.
 *
 * @module
 */
import { EXIT } from "@synth/core";
import { parseArgs } from "@std/cli/parse-args";
import { bundleSize } from "./bundle_size.ts";
import { type Gate, gatesOf } from "./gates.ts";
import { benchGateway, type GatewayReport } from "./gateway/run.ts";
import { countStoreTrips, type StoreTrips } from "./store_trips.ts";

const PARTS = ["gateway", "trips", "ledger", "bridge", "bundle", "cli"] as const;
/** Processes that wanted to run in the last minute, above which figures mean nothing. */
const MAX_LOAD = 1;
const encoder = new TextEncoder();

async function print(line = ""): Promise<void> {
  await Deno.stdout.write(encoder.encode(`${line}\n`));
}

/** Runs a script of this folder, which prints for itself. One that fails says so and leaves the other figures alone. */
async function runScript(args: readonly string[]): Promise<void> {
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: new URL("..", import.meta.url),
  }).spawn().status;
  if (code !== 0) await print(`No figures: deno ${args.join(" ")} ended with ${code}`);
}

async function printGateway(report: GatewayReport): Promise<void> {
  const { rounds, pinned, figures, memory, memoryRequests, idleStreams, startMs } = report;
  await print(
    `Gateway (${rounds} rounds, ${pinned ? "server on core 0, the rest on core 1" : "not pinned"})`,
  );
  const width = Math.max(...figures.map(({ name }) => name.length));
  await print(`${" ".repeat(width)}  pass-through       synth   ratio [95 %]`);
  for (const { name, unit, passThrough, synth, ratio, portkey } of figures) {
    const cells = [passThrough, synth].map((value) => `${shown(value)} ${unit}`.padStart(12));
    const range = `[${ratio.low.toFixed(2)}, ${ratio.high.toFixed(2)}]`;
    const peer = portkey === null
      ? ""
      : `   Portkey ${shown(portkey.value)} ${unit}, synth / Portkey ${
        portkey.ratio.median.toPrecision(2)
      } [${portkey.ratio.low.toPrecision(2)}, ${portkey.ratio.high.toPrecision(2)}]`;
    await print(
      `${name.padEnd(width)}  ${cells.join("")}   ${ratio.median.toFixed(2)} ${range}${peer}`,
    );
  }
  await print(
    `Memory over ${memoryRequests} requests: ${memory.map((mb) => mb.toFixed(0)).join(" ")} MB`,
  );
  await print(
    `200 idle streams add ${shown(idleStreams.passThrough)} MB (pass-through), ${
      shown(idleStreams.synth)
    } MB (synth)`,
  );
  await print(
    `From the start of the process to its address: ${startMs} ms, to its first answer ${report.firstAnswerMs} ms more\n`,
  );
}

function shown(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(2);
}

async function printTrips(trips: readonly StoreTrips[]): Promise<void> {
  await print("Round trips to the store (Upstash), before the upstream / in all");
  for (const { request, before, all } of trips) await print(`${before} / ${all}  ${request}`);
  await print();
}

async function main(args: string[]): Promise<number> {
  const flags = parseArgs(args, {
    boolean: ["quick", "force", "check", "peers"],
    negatable: ["peers"],
    default: { peers: true },
  });
  const quick = flags.quick === true;
  const wanted: readonly string[] = flags._.length === 0 ? PARTS : flags._.map(String);
  const unknown = wanted.filter((name) => !PARTS.some((part) => part === name));
  if (unknown.length > 0) {
    await print(`There is no ${unknown.join(", ")}; there are ${PARTS.join(", ")}`);
    return EXIT.usage;
  }
  const load = Deno.loadavg()[0] ?? 0;
  if (load > MAX_LOAD) {
    await print(`This machine is busy (load ${load.toFixed(2)}): trust CPU and ratios only.`);
    if (!flags.force) {
      await print("Wait until it is idle, or go on with --force.");
      return EXIT.temporary;
    }
  }
  const gates: Gate[] = [];
  if (wanted.includes("gateway")) {
    const report = await benchGateway({ quick, peers: flags["peers"] !== false });
    await printGateway(report);
    gates.push(...gatesOf(report));
  }
  if (wanted.includes("trips")) {
    const trips = await countStoreTrips();
    await printTrips(trips);
    const warm = Math.max(
      ...trips.filter((one) => one.request === "warm").map((one) => one.before),
    );
    gates.push({ name: "store round trips before the upstream, warm", value: warm, most: 1 });
  }
  if (wanted.includes("bundle")) {
    const size = await bundleSize();
    if (size === null) await print("Worker bundle: not built (deno task build:worker)\n");
    else gates.push({ name: "Worker bundle, KB gzipped", value: size / 1000, most: 250 });
  }
  if (wanted.includes("ledger")) {
    await print("Ledger: a reserve and a settle each");
    await runScript(["run", "-A", "bench/ledger_bench.ts", ...(quick ? ["sqlite"] : [])]);
    await print();
  }
  if (wanted.includes("bridge")) {
    const filter = quick ? ["--filter", "translate"] : [];
    await runScript(["bench", "-A", ...filter, "bench/bridge_stream_bench.ts"]);
  }
  if (wanted.includes("cli")) {
    await print("Start-up of commands");
    await runScript(["run", "-A", "bench/cli_bench.ts"]);
    await print();
  }
  if (gates.length > 0) await print("Gates");
  for (const { name, value, most } of gates) {
    await print(
      `${value <= most ? "holds " : "FAILS "} ${name}: ${shown(value)} (at most ${most})`,
    );
  }
  const failed = gates.some(({ value, most }) => value > most);
  return flags.check === true && failed ? EXIT.failed : EXIT.ok;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
