/**
 * All that CI runs, in one go: `deno task ok`. With `--portable`, what needs neither Redis nor the clients, for machines other than Linux.
 *
 * Every step runs even when one before it failed. The last line is `N passed, N failed`: tests of all runs together, and one more
 * failure for each step that failed without a failed test.
 *
 * @module
 */

interface Step {
  readonly name: string;
  readonly args: readonly string[];
  /** Counts its tests from a JUnit file. */
  readonly tests?: true;
  readonly portable: boolean;
}

const STEPS: readonly Step[] = [
  { name: "lock file", args: ["ci"], portable: true },
  { name: "format", args: ["fmt", "--check"], portable: true },
  { name: "lint", args: ["lint"], portable: true },
  { name: "types", args: ["check", "--frozen", "."], portable: true },
  { name: "publish", args: ["publish", "--dry-run", "--allow-dirty"], portable: true },
  { name: "test", args: ["task", "test"], tests: true, portable: true },
  { name: "test:laws", args: ["task", "test:laws"], tests: true, portable: false },
  { name: "test:clients", args: ["task", "test:clients"], tests: true, portable: false },
  { name: "test:browser", args: ["task", "test:browser"], tests: true, portable: false },
  { name: "build:worker", args: ["task", "build:worker"], portable: true },
  { name: "test:workers", args: ["task", "test:workers"], tests: true, portable: false },
  { name: "conformance", args: ["task", "conformance"], portable: false },
];

/** Milliseconds after which a step is ended: a test that hangs is a failure and not a silence. */
const STEP_DEADLINE = 15 * 60_000;

interface Result {
  readonly name: string;
  readonly ok: boolean;
  readonly seconds: number;
  readonly passed: number;
  readonly failed: number;
}

/** Test files that start a Redis server or a terminal (tmux), which they can on Linux alone. */
async function testsOfLinux(dir = "."): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(dir)) {
    if (name.startsWith(".") || name === "node_modules") continue;
    const path = `${dir}/${name}`;
    if (isDirectory) found.push(...await testsOfLinux(path));
    else if (name.endsWith("_test.ts") && needsLinux(await Deno.readTextFile(path))) {
      found.push(path.slice(2));
    }
  }
  return found;
}

function needsLinux(text: string): boolean {
  return text.includes("/redis_") || text.includes("support/terminal.ts");
}

async function run(step: Step, leftOut: string[], junit: string): Promise<Result> {
  say(`\n=== ${step.name}: deno ${step.args.join(" ")}`);
  const began = performance.now();
  const args = [...step.args];
  if (step.tests) {
    args.push(`--junit-path=${junit}`);
    if (leftOut.length > 0) args.push(`--ignore=${leftOut.join(",")}`);
  }
  const child = new Deno.Command(Deno.execPath(), {
    args,
    env: { SYNTH_TEST_INSTALL: Deno.env.get("SYNTH_TEST_INSTALL") ?? "" },
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), STEP_DEADLINE);
  const { success } = await child.status;
  clearTimeout(timer);
  const seconds = (performance.now() - began) / 1000;
  const count = step.tests ? await countTests(junit) : { passed: 0, failed: 0 };
  if (!success && count.failed === 0) count.failed = 1;
  return { name: step.name, ok: success && count.failed === 0, seconds, ...count };
}

/** Sums the suites of a JUnit file; a run that wrote none has failed, which its exit code tells. */
async function countTests(path: string): Promise<{ passed: number; failed: number }> {
  let passed = 0;
  let failed = 0;
  const xml = await Deno.readTextFile(path).catch(() => "");
  for (const [tag] of xml.matchAll(/<testsuite\s[^>]*>/g)) {
    const wrong = attribute(tag, "failures") + attribute(tag, "errors");
    failed += wrong;
    passed += attribute(tag, "tests") - wrong - attribute(tag, "disabled");
  }
  return { passed, failed };
}

function attribute(tag: string, name: string): number {
  return Number(new RegExp(`\\s${name}="(\\d+)"`).exec(tag)?.[1] ?? 0);
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
}

async function main(): Promise<void> {
  const portable = Deno.args.includes("--portable");
  const dir = await Deno.makeTempDir({ prefix: "synth-ok-" });
  const results: Result[] = [];
  const leftOut = portable ? await testsOfLinux() : [];
  try {
    for (const step of STEPS) {
      if (portable && !step.portable) continue;
      results.push(await run(step, leftOut, `${dir}/${results.length}.xml`));
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
  say("");
  for (const { name, ok, seconds } of results) {
    say(`${ok ? "ok    " : "FAILED"} ${name.padEnd(14)} ${seconds.toFixed(1)} s`);
  }
  if (portable) {
    const left = STEPS.filter((step) => !step.portable).map((step) => step.name);
    say(`left out here: ${left.join(", ")}, and the tests that need a Redis server or tmux:`);
    for (const path of leftOut) say(`  ${path}`);
  }
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  const failed = results.reduce((sum, result) => sum + result.failed, 0);
  say(`${passed} passed, ${failed} failed`);
  if (results.some((result) => !result.ok)) Deno.exit(1);
}

if (import.meta.main) await main();
