/** Every input that once broke a rule, and a short run of each target from a fixed seed. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Target } from "./target.ts";
import { TARGETS } from "./targets.ts";

const CORPUS = new URL("./corpus/", import.meta.url);

/** Inputs of each target in the suite: enough that a broken target is seen, little enough for every run. */
const RUNS: Readonly<Record<string, number>> = { sse: 300, json: 500, toml: 300, ledger: 30 };

interface Kept {
  readonly target: string;
  readonly input: unknown;
}

async function opened(name: string, use: (target: Target) => Promise<void>): Promise<void> {
  const open = TARGETS.get(name);
  assert(open !== undefined, `no target ${name}`);
  const target = await open();
  try {
    await use(target);
  } finally {
    await target.close();
  }
}

for (const name of TARGETS.keys()) {
  Deno.test(`fuzz ${name} from a fixed seed`, async () => {
    await opened(name, async (target) => {
      await fc.assert(fc.asyncProperty(target.inputs, (input) => target.check(input)), {
        seed: 20261122,
        numRuns: RUNS[name] ?? 150,
      });
    });
  });
}

const files = [...Deno.readDirSync(CORPUS)].map(({ name }) => name)
  .filter((name) => name.endsWith(".json")).sort();

for (const name of files) {
  Deno.test(`fuzz corpus ${name}`, async () => {
    const kept: Kept = JSON.parse(await Deno.readTextFile(new URL(name, CORPUS)));
    assertEquals(name.split("_")[0], kept.target);
    await opened(kept.target, (target) => target.check(kept.input));
  });
}
