/** Notices a model that calls tools without end. Stateless: all it needs is in the input. @module */
import type { InputItem, MessageItem } from "@synth/core/api";
import { callIdOf, isCall, isOutput } from "../items/pairing.ts";

/** So many calls in turns are noticed as a repetition. */
const MAX_PERIOD = 4;
const VOLATILE = /^(?:Chunk ID: [^\n]{0,64}\n)?Wall time: [^\n]{0,64}\n/;

/** Where a model is made to answer; 0: never. */
export interface LoopLimits {
  /** Groups of tool outputs behind the last message of the user. */
  readonly maxRounds: number;
  /** How often a call, or up to four in turns, with equal outputs, at the end. */
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
    if (id !== null) outputs.set(id, outputText((item as { output?: unknown }).output));
  }
  if (maxRounds > 0 && rounds >= maxRounds) return { rounds, reason: "max_rounds" };
  if (
    maxIdentical > 0 && isRepeating(lastCalls(items, from, outputs, maxIdentical), maxIdentical)
  ) {
    return { rounds, reason: "max_identical" };
  }
  return null;
}

/** The calls at the end, the last one first, each with its output, as far back as a repetition can reach. */
function lastCalls(
  items: readonly InputItem[],
  from: number,
  outputs: ReadonlyMap<string, string>,
  maxIdentical: number,
): string[] {
  const calls: string[] = [];
  for (let index = items.length - 1; index >= from; index--) {
    if (calls.length === maxIdentical * MAX_PERIOD) break;
    const item = items[index]!;
    if (!isCall(item)) continue;
    const output = outputs.get(callIdOf(item) ?? "");
    // What was not answered, or has no words, is like nothing else.
    if (output === undefined) break;
    const call = item as { [key: string]: unknown };
    calls.push(textOf([
      ...["type", "namespace", "name", "arguments", "input", "action", "operation"]
        .map((member) => call[member] ?? null),
      output,
    ]));
  }
  return calls;
}

/** Whether one call, or a few in turns, were made `times` times in a row. */
function isRepeating(calls: readonly string[], times: number): boolean {
  for (let period = 1; period <= MAX_PERIOD; period++) {
    const length = period * times;
    if (calls.length < length) return false;
    let same = period;
    while (same < length && calls[same] === calls[same - period]) same++;
    if (same === length) return true;
  }
  return false;
}

/** The output without what Codex writes above it anew each time: the same command with the same result is the same. */
function outputText(value: unknown): string {
  return textOf(value).replace(VOLATILE, "");
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value) ?? "";
}
