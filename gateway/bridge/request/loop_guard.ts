/** Notices a model that calls tools without end. Stateless: all it needs is in the input. @module */
import type { InputItem, MessageItem } from "@synth/core/api";
import { isCall, isOutput, pairCalls } from "../items/pairing.ts";

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
  for (let index = from; index < items.length; index++) {
    const output = isOutput(items[index]!);
    if (output && !inGroup) rounds++;
    inGroup = output;
  }
  if (maxRounds > 0 && rounds >= maxRounds) return { rounds, reason: "max_rounds" };
  if (maxIdentical > 0 && rounds >= maxIdentical) {
    const calls = lastCalls(items.slice(from), maxIdentical);
    if (isRepeating(calls, maxIdentical)) return { rounds, reason: "max_identical" };
  }
  return null;
}

/** A call with its output. */
interface Made {
  /** Equal for what is equal. */
  readonly text: string;
  /** 0 is the last round, 1 the one before. */
  readonly round: number;
}

/** The calls at the end, the last one first, as far back as a repetition can reach. */
function lastCalls(items: readonly InputItem[], maxIdentical: number): Made[] {
  // Some upstreams begin to count anew each turn: an id alone does not tell which output is whose.
  const { outputOf } = pairCalls(items);
  const calls: Made[] = [];
  let round = 0;
  let later: "call" | "output" | null = null;
  for (let index = items.length - 1; index >= 0; index--) {
    const item = items[index]!;
    if (isOutput(item)) {
      if (later === "call") round++;
      later = "output";
    }
    if (!isCall(item)) continue;
    later = "call";
    if (round >= maxIdentical && calls.length >= maxIdentical * MAX_PERIOD) break;
    const output = outputOf.get(index);
    // What was not answered is like nothing else.
    if (output === undefined) break;
    const call = item as { [key: string]: unknown };
    const text = textOf([
      ...["type", "namespace", "name", "arguments", "input", "action", "operation"]
        .map((member) => call[member] ?? null),
      outputText(items[output]!),
    ]);
    calls.push({ text, round });
  }
  return calls;
}

/** Whether one call, or a few in turns, were made `times` times in a row. Calls of one round are one step, however many. */
function isRepeating(calls: readonly Made[], times: number): boolean {
  for (let period = 1; period <= MAX_PERIOD; period++) {
    if (calls.length < period * times) return false;
    let same = period;
    while (same < calls.length && calls[same]!.text === calls[same - period]!.text) same++;
    if (same >= period * times && calls[same - 1]!.round + 1 >= times) return true;
  }
  return false;
}

/** The output without what Codex writes above it anew each time: the same command with the same result is the same. */
function outputText(item: InputItem): string {
  const { output, tools } = item as { readonly output?: unknown; readonly tools?: unknown };
  return textOf(output ?? tools).replace(VOLATILE, "");
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value) ?? "";
}
