/** Notices a model that calls tools without end. Stateless: all it needs is in the input. @module */
import type { InputItem, MessageItem } from "@synth/core/api";
import { callIdOf, isCall, isOutput } from "../items/pairing.ts";

/** Where a model is made to answer; 0: never. */
export interface LoopLimits {
  /** Groups of tool outputs behind the last message of the user. */
  readonly maxRounds: number;
  /** Equal calls with equal outputs, one after another, at the end. */
  readonly maxIdentical: number;
}

/** A loop that was found. */
export interface LoopFound {
  readonly rounds: number;
  readonly reason: "max_rounds" | "max_identical";
}

/** What the model is told when its tools are gone. */
export const LOOP_NOTE =
  "The tools are withdrawn: too many calls were made without an answer. Do not call tools. " +
  "Say in words what was done, what was found out and what is left to do.";

/** What the user is told when the model still has nothing to say. */
export const LOOP_MESSAGE =
  "Stopped: the model called tools again and again without coming to an end. Write a message to go on.";

/** Whether the turn that is asked for would be one too many. Looks only behind the last message of the user. */
export function findLoop(items: readonly InputItem[], limits: LoopLimits): LoopFound | null {
  const { maxRounds, maxIdentical } = limits;
  if (maxRounds === 0 && maxIdentical === 0) return null;
  // A turn of the user is to be answered, not a tool's output.
  const from = items.findLastIndex((item) => (item as MessageItem).role === "user") + 1;
  if (from === items.length) return null;
  let rounds = 0;
  let inGroup = false;
  const outputs = new Map<string, string>();
  for (let index = from; index < items.length; index++) {
    const item = items[index]!;
    const output = isOutput(item);
    if (output && !inGroup) rounds++;
    inGroup = output;
    const id = output ? callIdOf(item) : null;
    if (id !== null) outputs.set(id, textOf((item as { output?: unknown }).output));
  }
  if (maxRounds > 0 && rounds >= maxRounds) return { rounds, reason: "max_rounds" };
  if (maxIdentical > 0 && sameAtEnd(items, from, outputs) >= maxIdentical) {
    return { rounds, reason: "max_identical" };
  }
  return null;
}

/** How many calls at the end are the same as the last one, output included. */
function sameAtEnd(
  items: readonly InputItem[],
  from: number,
  outputs: ReadonlyMap<string, string>,
): number {
  let last: string | null = null;
  let count = 0;
  for (let index = items.length - 1; index >= from; index--) {
    const item = items[index]!;
    if (!isCall(item)) continue;
    const output = outputs.get(callIdOf(item) ?? "");
    // What was not answered, or has no words, is like nothing else.
    if (output === undefined) return count;
    const call = item as { [key: string]: unknown };
    const told = textOf([
      ...["type", "namespace", "name", "arguments", "input", "action", "operation"]
        .map((member) => call[member] ?? null),
      output,
    ]);
    last ??= told;
    if (told !== last) return count;
    count++;
  }
  return count;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value) ?? "";
}
