/** A player that knows only what the warehouse tells: it shows that what is told is enough. @module */
import type { Action } from "../warehouse/warehouse.ts";
import type { Direction } from "../warehouse/world.ts";

const STEPS = [["north", 0, -1], ["east", 1, 0], ["south", 0, 1], ["west", -1, 0]] as const;

interface Seen {
  readonly exits: readonly Direction[];
  readonly items: readonly string[];
  readonly badge: boolean;
}

/** Takes what was answered, gives what to do: it sees every bay, then fetches two items at a time. */
export function* explorer(): Generator<Action, void, string> {
  const bays = new Map<string, Seen>();
  let here = read(yield { tool: "look" }, bays);
  const desk = here;
  const order = listAfter(yield { tool: "read_order" }, "The order: ");
  yield* explore();
  const badge = [...bays].find(([, seen]) => seen.badge)?.[0];
  if (badge !== undefined) {
    yield* go(badge);
    yield { tool: "pick", item: "badge" };
  }
  for (let at = 0; at < order.length; at += 2) {
    for (const item of order.slice(at, at + 2)) {
      yield* go([...bays].find(([, { items }]) => items.includes(item))?.[0] ?? "");
      yield { tool: "pick", item };
    }
    yield* go(desk);
    yield { tool: "pack" };
  }
  yield { tool: "submit" };

  function* explore(): Generator<Action, void, string> {
    const back = here;
    for (const direction of bays.get(here)?.exits ?? []) {
      if (bays.has(towards(here, direction))) continue;
      here = read(yield { tool: "move", direction }, bays);
      yield* explore();
      yield* go(back);
    }
  }

  function* go(target: string): Generator<Action, void, string> {
    for (const direction of wayTo(here, target, bays)) {
      here = read(yield { tool: "move", direction }, bays);
    }
  }
}

function wayTo(from: string, to: string, bays: ReadonlyMap<string, Seen>): Direction[] {
  const ways = new Map<string, Direction[]>([[from, []]]);
  for (const [name, way] of ways) {
    if (name === to) return way;
    for (const direction of bays.get(name)?.exits ?? []) {
      const next = towards(name, direction);
      if (bays.has(next) && !ways.has(next)) ways.set(next, [...way, direction]);
    }
  }
  throw new Error(`No way from ${from} to ${to}`);
}

function towards(name: string, direction: Direction): string {
  const [, x, y] = STEPS.find(([one]) => one === direction) ?? ["", 0, 0];
  return String.fromCharCode(name.charCodeAt(0) + x) + (Number(name.slice(1)) + y);
}

function read(text: string, bays: Map<string, Seen>): string {
  const name = /You are at ([A-D]\d)/.exec(text)?.[1] ?? "";
  bays.set(name, {
    exits: listAfter(text, "Exits: ") as Direction[],
    items: [
      ...listAfter(text, "Shelf: "),
      ...listAfter(text, "Cage (locked): "),
      ...listAfter(text, "Cage (open): "),
    ],
    badge: text.includes("A badge hangs"),
  });
  return name;
}

function listAfter(text: string, label: string): string[] {
  const at = text.indexOf(label);
  const list = at === -1 ? "nothing" : text.slice(at + label.length).split(".")[0] ?? "";
  return list === "nothing" ? [] : list.split(", ");
}
