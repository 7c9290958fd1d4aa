/** Which call a tool delta belongs to, whatever the upstream does with indices and ids (bridge.md 10.8). @module */
import type { CallDelta } from "../chat_chunk.ts";
import type { TurnPlan } from "../plan.ts";
import type { CallSegment } from "./call_segment.ts";

/** Finds the call of a delta, or begins a new one. */
export class CallSlots {
  readonly #plan: TurnPlan;
  readonly #begin: () => CallSegment;
  readonly #byIndex = new Map<number, CallSegment>();
  readonly #byId = new Map<string, CallSegment>();
  #last: CallSegment | null = null;

  constructor(plan: TurnPlan, begin: () => CallSegment) {
    this.#plan = plan;
    this.#begin = begin;
  }

  /** `touched` holds the calls that earlier deltas of the same chunk went to. */
  find(delta: CallDelta, touched: ReadonlySet<CallSegment>): CallSegment {
    const known = this.#known(delta);
    const call = known === null || this.#startsNew(known, delta, touched) ? this.#begin() : known;
    if (call.upstreamId === "") call.upstreamId = delta.id;
    if (delta.index !== null) this.#byIndex.set(delta.index, call);
    if (delta.id !== "") this.#byId.set(delta.id, call);
    this.#last = call;
    return call;
  }

  #known(delta: CallDelta): CallSegment | null {
    const byId = delta.id === "" ? undefined : this.#byId.get(delta.id);
    if (delta.index !== null) {
      const call = this.#byIndex.get(delta.index);
      // The index rules, but where upstreams send the same one for every call a known id is better.
      if (call === undefined) return this.#byIndex.size === 0 ? byId ?? null : null;
      return call.upstreamId === delta.id ? call : byId ?? call;
    }
    if (byId !== undefined) return byId;
    // An unknown id with a name is a call; without one it is an upstream that makes ids up for each delta.
    return delta.id !== "" && delta.name !== "" ? null : this.#last;
  }

  #startsNew(call: CallSegment, delta: CallDelta, touched: ReadonlySet<CallSegment>): boolean {
    if (delta.name === "") return false;
    const sameId = delta.id !== "" && delta.id === call.upstreamId;
    if (sameId) return false;
    if (touched.has(call)) return true;
    const otherName = delta.name !== call.name;
    if (delta.id !== "" && call.upstreamId !== "") {
      return call.complete || (otherName && call.blank);
    }
    if (call.complete) return otherName || delta.args.trim() !== "";
    // Two whole names in a row, neither with arguments, are two calls and no fragments.
    const { tools } = this.#plan;
    return call.blank && otherName && tools.has(call.name) && tools.has(delta.name) &&
      !tools.has(call.name + delta.name);
  }
}
