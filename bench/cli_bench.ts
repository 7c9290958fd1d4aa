/**
 * How long commands take to start, as ratios to an empty program: `deno run -A bench/cli_bench.ts`.
 *
 * @module
 */
import { startGatewayProcess } from "../tests/support/gateway_process.ts";

const ROUNDS = 15;

interface Program {
  readonly name: string;
  readonly args: readonly string[];
  readonly env?: Record<string, string>;
}

/** Milliseconds from start to end. */
async function once({ args, env = {} }: Program): Promise<number> {
  const began = performance.now();
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", ...args],
    env,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return performance.now() - began;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

async function main(): Promise<void> {
  const empty = await Deno.makeTempFile({ suffix: ".js" });
  const cli = new URL("../cli/main.ts", import.meta.url).pathname;
  await using gateway = await startGatewayProcess({ config: "" });
  const env = { SYNTH_API_KEY: gateway.apiKey, BACKEND_BASE_URL: gateway.origin };
  const programs: readonly Program[] = [
    { name: "empty program", args: [empty] },
    { name: "synth --version", args: [cli, "--version"] },
    { name: "synth --help", args: [cli, "--help"] },
    { name: "synth session list", args: [cli, "session", "list"], env },
  ];
  const times = new Map(programs.map((program) => [program, [] as number[]]));
  try {
    for (const program of programs) await once(program);
    // In turns, so that what else the machine does hits all alike.
    for (let i = 0; i < ROUNDS; i++) {
      for (const program of programs) times.get(program)?.push(await once(program));
    }
  } finally {
    await Deno.remove(empty);
  }
  const [base = NaN] = [...times.values()].map(median);
  for (const [{ name }, values] of times) {
    const ms = median(values);
    const line = `${name.padEnd(20)} ${ms.toFixed(0).padStart(5)} ms  ${(ms / base).toFixed(2)}x`;
    await Deno.stdout.write(new TextEncoder().encode(`${line}\n`));
  }
}

if (import.meta.main) await main();
