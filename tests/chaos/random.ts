/** Numbers from a seed: the same seed makes the same trouble. @module */

/** A source of choices. */
export interface Random {
  /** From [0, 1). */
  next(): number;
  /** A whole number from `least` to `most`, both included. */
  int(least: number, most: number): number;
  /** True in this share of the cases. */
  chance(share: number): boolean;
  pick<T>(list: readonly T[]): T;
}

/** Makes one (mulberry32). */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }
  const random: Random = {
    next,
    int: (least, most) => least + Math.floor(next() * (most - least + 1)),
    chance: (share) => next() < share,
    pick(list) {
      const found = list[random.int(0, list.length - 1)];
      if (found === undefined && list.length === 0) throw new Error("nothing to pick from");
      return found as (typeof list)[number];
    },
  };
  return random;
}
