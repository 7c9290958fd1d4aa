/** The shortest way to complete an order, for who knows where everything is. @module */
import type { Action } from "./warehouse.ts";
import type { World } from "./world.ts";

interface State {
  readonly at: number;
  /** A bit for each ordered item. */
  readonly hands: number;
  readonly box: number;
  readonly badge: boolean;
}

/**
 * Breadth first over all that can be: at most 16 bays, 4 items that lie, are carried or are packed, and the badge. Every bay can be reached
 * and the badge is never caged, so there is always a plan.
 */
export function shortestPlan(world: World): Action[] {
  const all = 2 ** world.order.length - 1;
  const start: State = { at: world.desk, hands: 0, box: 0, badge: false };
  const from = new Map<number, { key: number; action: Action } | null>([[keyOf(start), null]]);
  const queue: State[] = [start];
  for (const state of queue) {
    if (state.box === all) return [...pathTo(keyOf(state), from), { tool: "submit" }];
    for (const [action, next] of steps(world, state)) {
      const key = keyOf(next);
      if (from.has(key)) continue;
      from.set(key, { key: keyOf(state), action });
      queue.push(next);
    }
  }
  throw new Error(`The warehouse of seed ${world.seed} has no plan`);
}

function* steps(world: World, state: State): Generator<[Action, State]> {
  const { order, stock, caged, capacity, bays } = world;
  const { at, hands, box, badge } = state;
  if (at === world.desk && hands !== 0) {
    yield [{ tool: "pack" }, { ...state, hands: 0, box: box | hands }];
  }
  if (at === world.badge && !badge) {
    yield [{ tool: "pick", item: "badge" }, { ...state, badge: true }];
  }
  for (const [index, item] of order.entries()) {
    const bit = 1 << index;
    const free = stock.get(item) === at && ((hands | box) & bit) === 0;
    if (free && bits(hands) < capacity && (badge || !caged.has(item))) {
      yield [{ tool: "pick", item }, { ...state, hands: hands | bit }];
    }
  }
  for (const [direction, to] of bays[at]?.exits ?? []) {
    yield [{ tool: "move", direction }, { ...state, at: to }];
  }
}

function pathTo(key: number, from: Map<number, { key: number; action: Action } | null>): Action[] {
  const path: Action[] = [];
  for (let step = from.get(key); step; step = from.get(step.key)) path.push(step.action);
  return path.reverse();
}

function keyOf({ at, hands, box, badge }: State): number {
  return ((at * 16 + hands) * 16 + box) * 2 + (badge ? 1 : 0);
}

function bits(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest >>= 1) count += rest & 1;
  return count;
}
