/**
 * `deno task fuzz [--minutes N] [--seed S] [--target NAME]`: makes inputs as long as it is told. One that breaks a rule is shrunk and kept
 * in `corpus/`, where `corpus_test.ts` finds it from then on.
 *
 * @module
 */
import { parseArgs } from "@std/cli";
import fc from "fast-check";
import type { Target } from "./target.ts";
import { TARGETS } from "./targets.ts";

const USAGE = `deno task fuzz [--minutes N] [--seed S] [--target ${[...TARGETS.keys()].join("|")}]`;
/** Inputs between two looks at the clock. */
const BATCH = 200;
/** A break that shrinks for longer is kept as it is by then. */
const SHRINK_MS = 30_000;
/** Breaks of one target after which something is so wrong that more of them tell nothing. */
const MOST_BREAKS = 5;

if (import.meta.main) Deno.exit(await main(Deno.args));

async function main(args: string[]): Promise<number> {
  const given = parseArgs(args, { string: ["minutes", "seed", "target"] });
  const minutes = Number(given.minutes ?? 1);
  const seed = Number(given.seed ?? Date.now() % 1_000_000_000);
  const names = given.target === undefined ? [...TARGETS.keys()] : [String(given.target)];
  const known = names.every((name) => TARGETS.has(name));
  if (!(minutes > 0) || !Number.isSafeInteger(seed) || !known || given._.length > 0) {
    say(USAGE);
    return 2;
  }
  let breaks = 0;
  for (const name of names) breaks += await fuzz(name, minutes / names.length, seed);
  return breaks === 0 ? 0 : 1;
}

/** Fuzzes one target and gives the number of breaks. */
async function fuzz(name: string, minutes: number, seed: number): Promise<number> {
  const open = TARGETS.get(name);
  if (open === undefined) throw new Error(`no target ${name}`);
  const target = await open();
  const end = performance.now() + minutes * 60_000;
  let runs = 0;
  let breaks = 0;
  try {
    for (let batch = seed; performance.now() < end && breaks < MOST_BREAKS; batch++) {
      const found = await fc.check(
        fc.asyncProperty(target.inputs, (input) => target.check(input)),
        {
          seed: batch,
          numRuns: BATCH,
          endOnFailure: false,
          interruptAfterTimeLimit: SHRINK_MS,
          markInterruptAsFailure: false,
        },
      );
      runs += found.numRuns;
      if (!found.failed || found.counterexample === null) continue;
      breaks++;
      await keep(target, found.counterexample[0], batch, String(found.errorInstance));
    }
  } finally {
    await target.close();
  }
  say(`${name}: ${runs} inputs from seed ${seed}, ${breaks} breaks`);
  return breaks;
}

async function keep(target: Target, input: unknown, seed: number, error: string): Promise<void> {
  const text = JSON.stringify(input);
  const digest = new Uint8Array(
    await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)),
  );
  const name = Array.from(digest.slice(0, 4), (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
  const file = new URL(`./corpus/${target.name}_${name}.json`, import.meta.url);
  const kept = { target: target.name, seed, found: error.slice(0, 500), input };
  await Deno.writeTextFile(file, `${JSON.stringify(kept, null, 2)}\n`);
  say(`BREAK ${file.pathname.split("/").pop()}: ${error.slice(0, 1500)}\n${text.slice(0, 3000)}`);
}

function say(line: string): void {
  // deno-lint-ignore no-console
  console.error(line);
}
