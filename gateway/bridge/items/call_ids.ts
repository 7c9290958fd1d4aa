import type { UpstreamProfile } from "../profile.ts";
import { hashHex } from "../tools/flat_name.ts";

/** Gives every call of a history an id that is its own and that the upstream takes. The same history gives the same ids. */
export class CallIds {
  readonly #form: UpstreamProfile["callId"];
  readonly #used = new Set<string>();
  readonly #counts = new Map<string, number>();

  constructor(form: UpstreamProfile["callId"]) {
    this.#form = form;
  }

  /** The upstream id of the next call with this id: the n-th is `id~n`. */
  assign(id: string): string {
    let count = (this.#counts.get(id) ?? 0) + 1;
    let result = this.#shape(count === 1 ? id : `${id}~${count}`);
    while (this.#used.has(result)) {
      count++;
      result = this.#shape(`${id}~${count}`);
    }
    this.#counts.set(id, count);
    this.#used.add(result);
    return result;
  }

  #shape(id: string): string {
    if (this.#form === "any" || /^[A-Za-z0-9]{9}$/.test(id)) return id;
    return hashHex(id, 5).slice(0, 9);
  }
}
