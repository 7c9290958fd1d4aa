/** A collection for what comes and goes with every request. @module */

/**
 * Holds items in places that are used again. A `Set` would do, but one that is added to and deleted from all the time leaves its old tables
 * behind, each pointing to the next: once the garbage collector has moved one of them to its old generation, it carries along every table after it with
 * whatever they held, which was the whole state of every request until the next full collection.
 */
export class Slots<T extends object> {
  readonly #items: (T | null)[] = [];
  readonly #free: number[] = [];

  /** Items that are held. */
  get size(): number {
    return this.#items.length - this.#free.length;
  }

  /** Adds an item. Returns its place. */
  add(item: T): number {
    const place = this.#free.pop() ?? this.#items.length;
    this.#items[place] = item;
    return place;
  }

  /** Takes the item of a place away, if it is still this one. Returns whether it was. */
  remove(place: number, item: T): boolean {
    if (this.#items[place] !== item) return false;
    this.#items[place] = null;
    this.#free.push(place);
    return true;
  }

  /** The items as they are now, in no particular order. */
  items(): T[] {
    return this.#items.filter((item) => item !== null);
  }
}
