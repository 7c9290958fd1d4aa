/** The environment: one turn after the other, in words. @module */
import { shortestPlan } from "./solver.ts";
import { createWorld, type Difficulty, type Direction, DIRECTIONS, type World } from "./world.ts";

/** What can be done. */
export type Action =
  | { readonly tool: "read_order" | "look" | "pack" | "submit" }
  | { readonly tool: "move"; readonly direction: string }
  | { readonly tool: "catalogue" | "pick" | "unpack" | "put_down"; readonly item: string };

/** What came of it. */
export interface Outcome {
  /** For the model. */
  readonly text: string;
  /** How much the score rose or fell; all of an episode together are its score. */
  readonly reward: number;
  /** Whether the action could be done. */
  readonly valid: boolean;
  readonly done: boolean;
}

/** Things that are worth doing, each counted once. */
export const ACHIEVEMENTS = ["read_order", "first_pick", "first_delivery"] as const;

/** One of {@linkcode ACHIEVEMENTS}. */
export type Achievement = (typeof ACHIEVEMENTS)[number];

/** How far one is, from 0 to 1 each. */
export interface Progress {
  /** Ordered items in the box, less those that were not ordered. */
  readonly delivered: number;
  /** 1 when the box was submitted with exactly what was ordered. */
  readonly complete: number;
  /** When complete: 1 up to twice the shortest plan, then less. */
  readonly efficient: number;
}

/** Where an item is: a bay's index, one's hands, or the box. */
export type Place = number | "hands" | "box";

/** One warehouse, in which someone works. What is wrong is answered, never thrown. */
export class Warehouse {
  readonly world: World;
  /** The fewest actions that complete the order, for who knows where everything is. */
  readonly par: number;
  /** Actions after which it is over. */
  readonly maxActions: number;
  readonly achievements: Set<Achievement> = new Set();
  readonly #score: (progress: Progress) => number;
  readonly #places: Map<string, Place>;
  #at: number;
  #badge = false;
  #actions = 0;
  #valid = 0;
  #submitted = false;
  #total = 0;

  /** @param score what progress is worth, from 0 to 1 */
  constructor(
    seed: number,
    options: { difficulty?: Difficulty | undefined; score: (progress: Progress) => number },
  ) {
    this.world = createWorld(seed, options.difficulty);
    this.par = shortestPlan(this.world).length;
    this.maxActions = 4 * this.par + 20;
    this.#score = options.score;
    this.#places = new Map(this.world.stock);
    this.#at = this.world.desk;
  }

  /** Whether it is over: submitted, or out of actions. */
  get done(): boolean {
    return this.#submitted || this.#actions >= this.maxActions;
  }

  get submitted(): boolean {
    return this.#submitted;
  }

  get actions(): number {
    return this.#actions;
  }

  /** Of all actions, those that could be done; 0 when there were none. */
  get validity(): number {
    return this.#actions === 0 ? 0 : this.#valid / this.#actions;
  }

  /** Where each item is. */
  get places(): ReadonlyMap<string, Place> {
    return this.#places;
  }

  get progress(): Progress {
    const box = this.#itemsAt("box");
    const { order } = this.world;
    const right = box.filter((item) => order.includes(item)).length;
    const delivered = Math.max(0, right - (box.length - right)) / order.length;
    const complete = this.#submitted && delivered === 1 ? 1 : 0;
    const efficient = complete * Math.min(1, (2 * this.par) / Math.max(1, this.#actions));
    return { delivered, complete, efficient };
  }

  get score(): number {
    return this.#total;
  }

  /** Does something. After the end nothing happens any more. */
  act(action: Action): Outcome {
    if (this.done) return { text: "It is over.", reward: 0, valid: false, done: true };
    this.#actions++;
    const said = this.#do(action);
    const valid = typeof said === "string";
    if (valid) this.#valid++;
    return this.#outcome(valid ? said : said.refused, valid);
  }

  /** Counts an action that makes no sense. */
  refuse(why: string): Outcome {
    if (this.done) return { text: "It is over.", reward: 0, valid: false, done: true };
    this.#actions++;
    return this.#outcome(why, false);
  }

  /** What is to be seen here. */
  look(): string {
    const { bays, desk, badge } = this.world;
    const bay = bays[this.#at];
    const here = this.#itemsAt(this.#at);
    const cage = here.filter((item) => this.#isCaged(item));
    const shelf = here.filter((item) => !this.#isCaged(item));
    return [
      `You are at ${bay?.name}${this.#at === desk ? ", the packing desk" : ""}.`,
      `Exits: ${[...bay?.exits.keys() ?? []].join(", ")}.`,
      `Shelf: ${listed(shelf)}.`,
      ...(cage.length === 0 ? [] : [`Cage (${this.#badge ? "open" : "locked"}): ${listed(cage)}.`]),
      ...(badge === this.#at && !this.#badge ? ["A badge hangs on the wall."] : []),
      `In your hands: ${listed(this.#itemsAt("hands"))}.`,
      ...(this.#at === desk ? [`In the box: ${listed(this.#itemsAt("box"))}.`] : []),
    ].join(" ");
  }

  #do(action: Action): string | { refused: string } {
    switch (action.tool) {
      case "read_order":
        this.achievements.add("read_order");
        return `The order: ${listed(this.world.order)}. The desk is at ${
          this.#nameOf(this.world.desk)
        }.`;
      case "look":
        return this.look();
      case "move":
        return this.#move(action.direction);
      case "catalogue":
        return this.#catalogue(action.item);
      case "pick":
        return this.#pick(action.item);
      case "put_down":
        return this.#putDown(action.item);
      case "pack":
        return this.#pack();
      case "unpack":
        return this.#unpack(action.item);
      case "submit":
        return this.#submit();
    }
  }

  #move(wanted: string): string | { refused: string } {
    const direction: Direction | undefined = DIRECTIONS.find((one) => one === wanted);
    const to = direction && this.world.bays[this.#at]?.exits.get(direction);
    if (to === undefined) return { refused: "There is no way there." };
    this.#at = to;
    return this.look();
  }

  /** Tells the aisle alone: the rest has to be found. */
  #catalogue(item: string): string | { refused: string } {
    const bay = this.world.stock.get(item);
    if (bay === undefined) return { refused: "The catalogue does not have that." };
    const cage = this.world.caged.has(item) ? ", in a cage" : "";
    return `${item}: aisle ${this.#nameOf(bay).charAt(0)}${cage}.`;
  }

  #pick(item: string): string | { refused: string } {
    const { badge, capacity, order } = this.world;
    if (item === "badge" && badge === this.#at && !this.#badge) {
      this.#badge = true;
      return "You have the badge. It opens the cages.";
    }
    if (this.#places.get(item) !== this.#at) return { refused: "That is not here." };
    if (this.#itemsAt("hands").length >= capacity) {
      return { refused: `You cannot carry more than ${capacity}.` };
    }
    if (this.#isCaged(item) && !this.#badge) {
      return { refused: "It is in a locked cage. A badge opens it." };
    }
    this.#places.set(item, "hands");
    if (order.includes(item)) this.achievements.add("first_pick");
    return `You have the ${item}.`;
  }

  #putDown(item: string): string | { refused: string } {
    if (this.#places.get(item) !== "hands") return { refused: "You do not carry that." };
    this.#places.set(item, this.#at);
    return `The ${item} is on the shelf.`;
  }

  #pack(): string | { refused: string } {
    if (this.#at !== this.world.desk) return { refused: "The box is at the packing desk." };
    const carried = this.#itemsAt("hands");
    if (carried.length === 0) return { refused: "Your hands are empty." };
    for (const item of carried) this.#places.set(item, "box");
    if (carried.some((item) => this.world.order.includes(item))) {
      this.achievements.add("first_delivery");
    }
    return `In the box: ${listed(this.#itemsAt("box"))}.`;
  }

  #unpack(item: string): string | { refused: string } {
    if (this.#at !== this.world.desk) return { refused: "The box is at the packing desk." };
    if (this.#places.get(item) !== "box") return { refused: "That is not in the box." };
    this.#places.set(item, this.#at);
    return `The ${item} is on the shelf.`;
  }

  #submit(): string | { refused: string } {
    if (this.#at !== this.world.desk) return { refused: "Submit the box at the packing desk." };
    this.#submitted = true;
    return this.progress.complete === 1
      ? "The box goes out with all that was ordered."
      : "The box goes out. It is not what was ordered.";
  }

  #outcome(text: string, valid: boolean): Outcome {
    const score = this.#score(this.progress);
    const reward = score - this.#total;
    this.#total = score;
    return { text, reward, valid, done: this.done };
  }

  #itemsAt(place: Place): string[] {
    return [...this.#places].filter(([, at]) => at === place).map(([item]) => item);
  }

  /** Whether it lies where it lay at first, behind the cage. */
  #isCaged(item: string): boolean {
    return this.world.caged.has(item) && this.#places.get(item) === this.world.stock.get(item);
  }

  #nameOf(bay: number): string {
    return this.world.bays[bay]?.name ?? "";
  }
}

function listed(items: readonly string[]): string {
  return items.length === 0 ? "nothing" : items.join(", ");
}
