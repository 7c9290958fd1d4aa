/** Warehouses: the same seed, the same warehouse, on every machine. @module */

/** How large a warehouse is, and what has to be fetched. */
export type Difficulty = "easy" | "medium" | "hard";

/** Where one can go. */
export const DIRECTIONS = ["north", "east", "south", "west"] as const;

/** One of {@linkcode DIRECTIONS}. */
export type Direction = (typeof DIRECTIONS)[number];

/** A place with shelves. */
export interface Bay {
  /** Aisle and number, such as `B2`. */
  readonly name: string;
  /** The bay that lies in each direction, by its index; where there is none is a wall. */
  readonly exits: ReadonlyMap<Direction, number>;
}

/** A warehouse at the beginning. */
export interface World {
  readonly seed: number;
  readonly difficulty: Difficulty;
  readonly bays: readonly Bay[];
  /** The bay of the packing desk, where one begins. */
  readonly desk: number;
  /** Where each item lies. */
  readonly stock: ReadonlyMap<string, number>;
  /** Items behind a cage, which the badge opens. */
  readonly caged: ReadonlySet<string>;
  /** The bay where the badge lies; `null`: nothing is caged. */
  readonly badge: number | null;
  /** What has to be in the box. */
  readonly order: readonly string[];
  /** Items that can be carried at the same time. */
  readonly capacity: number;
}

const SIZES = {
  easy: { columns: 3, rows: 2, order: 2, others: 3, caged: 0 },
  medium: { columns: 3, rows: 3, order: 3, others: 6, caged: 1 },
  hard: { columns: 4, rows: 4, order: 4, others: 10, caged: 2 },
} as const;
const CAPACITY = 2;
const COLOURS = ["red", "blue", "green", "black", "white", "yellow"] as const;
const THINGS = ["mug", "lamp", "kettle", "torch", "stapler", "radio"] as const;

/**
 * Makes the warehouse of a seed.
 *
 * @param difficulty @default {easy, medium and hard in turns, by the seed}
 */
export function createWorld(seed: number, difficulty?: Difficulty): World {
  const level = difficulty ?? (["easy", "medium", "hard"] as const)[Math.abs(seed) % 3] ?? "easy";
  const size = SIZES[level];
  const random = randomFrom(seed);
  const bays = createBays(size.columns, size.rows, random);
  const desk = Math.floor(random() * bays.length);
  const shelves = bays.map((_, index) => index).filter((index) => index !== desk);
  const names = shuffled(COLOURS.flatMap((colour) => THINGS.map((thing) => `${colour} ${thing}`)));
  const items = names.slice(0, size.order + size.others);
  const stock = new Map(items.map((item) => [item, pick(shelves)] as const));
  const order = items.slice(0, size.order);
  return {
    seed,
    difficulty: level,
    bays,
    desk,
    // In the order of the alphabet: the first ones must not be those of the order.
    stock: new Map([...stock].sort(([a], [b]) => (a < b ? -1 : 1))),
    caged: new Set(order.slice(0, size.caged)),
    badge: size.caged > 0 ? pick(shelves) : null,
    order: [...order].sort(),
    capacity: CAPACITY,
  };

  function pick(list: readonly number[]): number {
    return list[Math.floor(random() * list.length)] ?? 0;
  }

  function shuffled<T>(list: readonly T[]): T[] {
    return list.map((item) => [random(), item] as const).sort(([a], [b]) => a - b)
      .map(([, item]) => item);
  }
}

/** A grid in which every bay can be reached: a random tree, and some passages more. */
function createBays(columns: number, rows: number, random: () => number): Bay[] {
  const steps: Record<Direction, readonly [number, number]> = {
    north: [0, -1],
    east: [1, 0],
    south: [0, 1],
    west: [-1, 0],
  };
  const exits = Array.from({ length: columns * rows }, () => new Map<Direction, number>());
  const neighbour = (from: number, direction: Direction): number | null => {
    const [x, y] = steps[direction];
    const column = from % columns + x;
    const row = Math.floor(from / columns) + y;
    const outside = column < 0 || column >= columns || row < 0 || row >= rows;
    return outside ? null : row * columns + column;
  };
  const open = (from: number, direction: Direction, to: number): void => {
    exits[from]?.set(direction, to);
    exits[to]?.set(opposite(direction), from);
  };
  const reached = new Set([0]);
  const stack = [0];
  for (let at = stack.at(-1); at !== undefined; at = stack.at(-1)) {
    const here = at;
    const next = DIRECTIONS.map((direction) => ({ direction, to: neighbour(here, direction) }))
      .filter(({ to }) => to !== null && !reached.has(to));
    const chosen = next[Math.floor(random() * next.length)];
    if (chosen === undefined || chosen.to === null) {
      stack.pop();
      continue;
    }
    open(here, chosen.direction, chosen.to);
    reached.add(chosen.to);
    stack.push(chosen.to);
  }
  for (let from = 0; from < exits.length; from++) {
    for (const direction of ["east", "south"] as const) {
      const to = neighbour(from, direction);
      if (to !== null && random() < 0.25) open(from, direction, to);
    }
  }
  return exits.map((ways, index) => ({
    name: `${"ABCD"[index % columns]}${Math.floor(index / columns) + 1}`,
    exits: new Map(DIRECTIONS.flatMap((one) => {
      const to = ways.get(one);
      return to === undefined ? [] : [[one, to] as const];
    })),
  }));
}

function opposite(direction: Direction): Direction {
  return ({ north: "south", south: "north", east: "west", west: "east" } as const)[direction];
}

/** Mulberry32: whole numbers of 32 bits alone, so that it is the same everywhere. */
function randomFrom(seed: number): () => number {
  // The upper half of a seed counts, too.
  let state = (seed ^ Math.imul(Math.floor(seed / 2 ** 32), 0x9e3779b1)) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
