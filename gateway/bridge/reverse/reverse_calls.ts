/** The calls of one response, counted as Chat Completions counts them. @module */
import { asText, type Fields } from "../chat_chunk.ts";

/** A call that the model makes. */
export interface OpenCall {
  /** 0, 1, 2 ... for the calls alone: other items of the output do not count. */
  readonly index: number;
  readonly id: string;
  readonly name: string;
  readonly custom: boolean;
  /** Arguments that were passed on. */
  sent: string;
  announced: boolean;
}

/** Finds calls by their place in the output, or by their item's id. */
export class ReverseCalls {
  readonly #byPlace: Map<number, OpenCall> = new Map();
  readonly #byItem: Map<string, OpenCall> = new Map();
  readonly #byCall: Map<string, OpenCall> = new Map();

  /** How many there are. */
  get count(): number {
    return this.#byCall.size;
  }

  /** The call that an event is about, or `null`. */
  find(event: Fields): OpenCall | null {
    const place = event.output_index;
    const placed = typeof place === "number" ? this.#byPlace.get(place) : undefined;
    return placed ?? this.#byItem.get(asText(event.item_id)) ?? null;
  }

  /**
   * The call that an item is, known or new; `null` when it is none.
   *
   * @param over the item will say no more: one without an id gets one
   */
  open(item: Fields, place: number | null, over: boolean): OpenCall | null {
    const custom = item.type === "custom_tool_call";
    if (!custom && item.type !== "function_call") return null;
    const given = asText(item.call_id) || asText(item.id);
    const known = this.#known(item, place, given);
    if (known !== null) return known;
    const name = asText(item.name);
    // An announcement that says too little is made up for when the item is done.
    if (!over && (name === "" || given === "")) return null;
    const id = given || `call_${this.count}`;
    const call: OpenCall = { index: this.count, id, name, custom, sent: "", announced: false };
    this.#byCall.set(id, call);
    if (place !== null) this.#byPlace.set(place, call);
    const itemId = asText(item.id);
    if (itemId !== "") this.#byItem.set(itemId, call);
    return call;
  }

  #known(item: Fields, place: number | null, id: string): OpenCall | null {
    // The call's own id first: a final output that lost an item has other places.
    return this.#byCall.get(id) ?? this.#byItem.get(asText(item.id)) ??
      (place === null || id !== "" ? null : this.#byPlace.get(place) ?? null);
  }
}
