/**
 * Ids of responses and of their items, which say where things are stored, so that one read finds them all:
 * - an item's id holds the core of its response's;
 * - a core is 16 random characters of its chain, `x`, 3 of its turn in the chain, 12 random ones of its own. Each turn of a chain has a slot;
 * - a branch is a chain of its own. Behind the core its ids name what it goes on from: `w` and a core, with all that is before it; `y`
 *   and a core, that response alone, for it is a compaction.
 *
 * @module
 */
import { newId } from "@synth/core";

const CORE = "[0-9a-v]{16}x[0-9a-v]{15}";
const ID = new RegExp(`^resp_(${CORE})((?:[wy]${CORE}){0,4})$`);
/** Before there were chains in ids, and what begins a chain for which an id has no more room. */
const LEGACY = /^resp_[0-9a-v]{32}$/;
const ITEM = /^[a-z]{1,8}_([0-9a-v]{16}[0-9a-vx][0-9a-v]{15})[0-9a-v]{4}$/;
const CORE_LENGTH = 32;
const CHAIN_LENGTH = 16;
const TURN_LENGTH = 3;
const COUNTER_LENGTH = 4;
/** Branches of branches that an id names; those beyond are found by one more read. */
const MAX_PATH = 4;
const MAX_TURN = 32 ** TURN_LENGTH - 1;
/** Ends the id of a response that is not stored; no other id has it. */
const UNSTORED = "z";

/** Where a stored response may be: in the slot of its turn, or beside it when another one was faster. */
export interface Place {
  /** Document ids. A place that is no end of a chain has a slot only. */
  readonly slot: string | null;
  readonly own: string | null;
}

/** A new id of a response that goes on from none, which says whether the response is stored. */
export function newResponseId(stored: boolean): string {
  return stored
    ? `resp_${newCore(newId("").slice(0, CHAIN_LENGTH), 0)}`
    : newId("resp_") + UNSTORED;
}

/**
 * A new id of a response that goes on from a stored one.
 *
 * @param inSlot whether the one before has the slot of its turn: else its slot's successor belongs to another branch
 * @param alone nothing before it is needed
 */
export function nextResponseId(parent: string, inSlot: boolean, alone: boolean): string {
  const [, core, path = ""] = ID.exec(parent) ?? [];
  if (core === undefined) return newResponseId(true);
  const turn = turnOf(core) + 1;
  if (inSlot && !alone && turn <= MAX_TURN) {
    return `resp_${newCore(core.slice(0, CHAIN_LENGTH), turn)}${path}`;
  }
  const id = newResponseId(true);
  if (alone) return `${id}y${core}`;
  return path.length >= MAX_PATH * (CORE_LENGTH + 1) ? id : `${id}w${core}${path}`;
}

/**
 * The places of a response and of all before it that its id knows of, the newest first; `null` when it is no id of ours.
 *
 * @throws {RangeError} when there are more than `most`
 */
export function placesOf(id: string, most: number): Place[] | null {
  if (LEGACY.test(id)) return [{ slot: null, own: id }];
  const [, core, path = ""] = ID.exec(id) ?? [];
  if (core === undefined) return null;
  const places: Place[] = [];
  const ends = [["w", core] as const];
  for (let at = 0; at < path.length; at += CORE_LENGTH + 1) {
    ends.push([path.charAt(at) as "w", path.slice(at + 1, at + 1 + CORE_LENGTH)]);
  }
  for (const [kind, end] of ends) {
    const last = turnOf(end);
    if (places.length + last + 1 > most) throw new RangeError("too many places");
    places.push({ slot: slotOf(end, last), own: `resp_${end}` });
    if (kind !== "w") break;
    for (let turn = last - 1; turn >= 0; turn--) {
      places.push({ slot: slotOf(end, turn), own: null });
    }
  }
  return places;
}

/** Where one response may be; `null` when this is no id of ours. Takes what {@linkcode responseOfItem} gives, too. */
export function placeOf(id: string): Place | null {
  if (LEGACY.test(id)) return { slot: null, own: id };
  const core = ID.exec(id)?.[1];
  return core === undefined ? null : { slot: slotOf(core, turnOf(core)), own: `resp_${core}` };
}

/** Whether `asked` names the response with this id; it may be what an item's id says of it. */
export function isSameResponse(id: string, asked: string): boolean {
  return id === asked || (isBare(asked) && coreOf(id) === coreOf(asked));
}

/** Whether this is the id of a response that was made with `store: false`. */
export function isUnstoredId(id: string): boolean {
  return id.startsWith("resp_") && id.endsWith(UNSTORED);
}

/** Gives the ids of one response's items. */
export function itemIds(responseId: string, from = 0): (prefix: string) => string {
  const core = coreOf(responseId);
  let count = from;
  return (prefix) => prefix + core + (count++).toString(32).padStart(COUNTER_LENGTH, "0");
}

/** The response that an item's id says it is in, or null when it is none of ours. */
export function responseOfItem(itemId: string): string | null {
  const core = ITEM.exec(itemId)?.[1];
  return core === undefined ? null : `resp_${core}`;
}

function newCore(chain: string, turn: number): string {
  const place = turn.toString(32).padStart(TURN_LENGTH, "0");
  return `${chain}x${place}${newId("").slice(0, CORE_LENGTH - CHAIN_LENGTH - 1 - TURN_LENGTH)}`;
}

function coreOf(responseId: string): string {
  return responseId.slice("resp_".length, "resp_".length + CORE_LENGTH);
}

function isBare(responseId: string): boolean {
  return responseId.length === "resp_".length + CORE_LENGTH;
}

function turnOf(core: string): number {
  return Number.parseInt(core.slice(CHAIN_LENGTH + 1, CHAIN_LENGTH + 1 + TURN_LENGTH), 32);
}

function slotOf(core: string, turn: number): string {
  return `slot_${core.slice(0, CHAIN_LENGTH)}${turn.toString(32).padStart(TURN_LENGTH, "0")}`;
}
