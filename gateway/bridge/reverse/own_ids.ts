/**
 * The ids of a relayed response under names of our own. What the upstream calls its response and its items is kept, never shown: its one account serves
 * all orgs, and only what is stored here can be named.
 *
 * @module
 */
import { asFields, asText, type Fields } from "../chat_chunk.ts";
import type { ItemSecret } from "../items/item_secret.ts";

/** How the ids of one response are given. */
export interface OwnIdsOptions {
  readonly responseId: string;
  /** Members of the response object that the upstream was not told. */
  readonly echo: { readonly store: boolean; readonly previous_response_id: string | null };
  /** Gives the items' ids; `null`: they keep the upstream's, for the client keeps the items itself. */
  readonly newId: ((prefix: string) => string) | null;
  /** Whether seals of reasoning are ours to keep, and were not asked for by the client. */
  readonly hideSeals: boolean;
  /** Who made the items. */
  readonly by: string;
}

const PREFIX = /^[a-z]{1,8}_/;

/** Renames what goes by. */
export class OwnIds {
  readonly #options: OwnIdsOptions;
  readonly #byId: Map<string, string> = new Map();
  readonly #byPlace: Map<number, string> = new Map();
  readonly #done: Map<number, Fields> = new Map();
  /** What the upstream calls the items, and what it sealed, by our ids. */
  readonly secrets: Map<string, ItemSecret> = new Map();

  constructor(options: OwnIdsOptions) {
    this.#options = options;
  }

  get responseId(): string {
    return this.#options.responseId;
  }

  /** The items that ended, in order: some upstreams leave them out of the last event. */
  get items(): Fields[] {
    return [...this.#done].sort(([a], [b]) => a - b).map(([, item]) => item);
  }

  /** Renames in an event, in place. */
  event(event: Fields): void {
    const own = event as { [key: string]: unknown };
    const place = typeof event.output_index === "number" ? event.output_index : null;
    const response = asFields(event.response);
    if (response !== null) own["response"] = this.response(response);
    const item = asFields(event.item);
    if (item !== null) {
      const named = own["item"] = this.#item(item, place);
      if (place !== null && event.type === "response.output_item.done") {
        this.#done.set(place, named);
      }
    }
    const id = asText(event.item_id);
    if (id !== "" && this.#options.newId !== null) own["item_id"] = this.#own(id, place, "");
  }

  /** The response object under our names. */
  response(response: Fields): Fields {
    const { responseId, echo } = this.#options;
    const { output } = response;
    const items = Array.isArray(output)
      ? { output: output.map((item, place) => this.#item(asFields(item) ?? {}, place)) }
      : {};
    return { ...response, id: responseId, ...echo, ...items };
  }

  #item(item: Fields, place: number | null): Fields {
    const { newId, hideSeals, by } = this.#options;
    const id = asText(item.id);
    if (newId === null || id === "") return item;
    const own = this.#own(id, place, asText(item.type));
    const seal = asText(item.encrypted_content) || this.secrets.get(own)?.encrypted_content;
    this.secrets.set(own, { by, id, ...(seal === undefined ? {} : { encrypted_content: seal }) });
    const named: { [key: string]: unknown } = { ...item, id: own };
    if (hideSeals && item.type === "reasoning") delete named["encrypted_content"];
    return named;
  }

  #own(id: string, place: number | null, type: string): string {
    const known = this.#byId.get(id) ?? (place === null ? undefined : this.#byPlace.get(place));
    const prefix = PREFIX.exec(id)?.[0] ?? (type === "message" ? "msg_" : "item_");
    const own = known ?? this.#options.newId?.(prefix) ?? id;
    this.#byId.set(id, own);
    if (place !== null) this.#byPlace.set(place, own);
    return own;
  }
}
