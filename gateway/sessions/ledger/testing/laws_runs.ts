/** How long the property tests of the laws run. @module */

/**
 * Runs of a property: `SYNTH_LAWS_RUNS` (10^5 in `deno task test:laws`) divided by how much slower the adapter is than SQLite in memory, at least `least`.
 *
 * @param share 1 for all of them, 10 for a tenth
 */
export function lawsRuns(share: number, least: number): number {
  const runs = Number(Deno.env.get("SYNTH_LAWS_RUNS") ?? "0");
  if (!Number.isSafeInteger(runs)) throw new TypeError("SYNTH_LAWS_RUNS is no whole number");
  return Math.max(least, Math.ceil(runs / share));
}

/** `SYNTH_LAWS_SEED` repeats a run. */
export function lawsSeed(): { seed?: number } {
  const seed = Deno.env.get("SYNTH_LAWS_SEED");
  return seed === undefined ? {} : { seed: Number(seed) };
}
