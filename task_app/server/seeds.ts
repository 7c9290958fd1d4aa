import { SynthError } from "@synth/core";

const SEED = /^[+-]?\d{1,16}$/;

/**
 * The seeds of a query: all `seed`, then all `seeds`, each an integer.
 *
 * @throws {SynthError} 422 `invalid_seed`, `too_many_seeds`
 */
export function parseSeeds(query: URLSearchParams, max: number): number[] {
  const seeds: number[] = [];
  for (const name of ["seed", "seeds"]) {
    for (const text of query.getAll(name)) {
      const seed = SEED.test(text) ? Number(text) : NaN;
      if (!Number.isSafeInteger(seed)) throw invalidSeed(name);
      if (seeds.length >= max) throw tooMany(max);
      // -0 would be another key than 0 somewhere.
      seeds.push(seed === 0 ? 0 : seed);
    }
  }
  return seeds;
}

function invalidSeed(name: string): SynthError {
  return new SynthError(`Each ${name} must be an integer below 2^53`, {
    code: "invalid_seed",
    status: 422,
    param: name,
    hint: "Repeat the parameter for more than one: ?seed=1&seed=2",
  });
}

function tooMany(max: number): SynthError {
  return new SynthError(`At most ${max} seeds can be asked for at once`, {
    code: "too_many_seeds",
    status: 422,
    param: "seeds",
    details: { limit: max },
  });
}
