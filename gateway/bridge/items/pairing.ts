import type { InputItem } from "@synth/core/api";

/** Which output answers which call. */
export interface Pairing {
  /** By the index of a call, the index of its output. */
  readonly outputOf: ReadonlyMap<number, number>;
  /** Indices of the outputs that answer a call. */
  readonly paired: ReadonlySet<number>;
}

const CALLS = new Set<unknown>([
  "function_call",
  "custom_tool_call",
  "tool_search_call",
  "local_shell_call",
  "shell_call",
  "apply_patch_call",
]);

const OUTPUTS = new Set<unknown>([
  "function_call_output",
  "custom_tool_call_output",
  "tool_search_output",
  "local_shell_call_output",
  "shell_call_output",
  "apply_patch_call_output",
]);

/** Whether this is a call that becomes an entry of `tool_calls`. */
export function isCall(item: InputItem): boolean {
  return CALLS.has(item.type);
}

/** Whether this answers such a call. */
export function isOutput(item: InputItem): boolean {
  return OUTPUTS.has(item.type);
}

/** The id that a call and its output share; null for what the server ran by itself. */
export function callIdOf(item: InputItem): string | null {
  const { call_id, id, type } = item as { call_id?: unknown; id?: unknown; type?: unknown };
  if (typeof call_id === "string" && call_id !== "") return call_id;
  // This one output names its call by `id`.
  return type === "local_shell_call_output" && typeof id === "string" && id !== "" ? id : null;
}

/** Pairs calls and outputs of the same id first with first; an output that came before its call is taken when nothing else answers it. */
export function pairCalls(items: readonly InputItem[]): Pairing {
  const open = new Map<string, Queue>();
  const early = new Map<string, Queue>();
  const outputOf = new Map<number, number>();
  const paired = new Set<number>();
  for (let index = 0; index < items.length; index++) {
    const item = items[index]!;
    const call = isCall(item);
    if (!call && !isOutput(item)) continue;
    const id = callIdOf(item);
    if (id === null) continue;
    if (call) {
      push(open, id, index);
      continue;
    }
    const caller = takeFirst(open, id);
    if (caller === undefined) push(early, id, index);
    else {
      outputOf.set(caller, index);
      paired.add(index);
    }
  }
  for (const [id, { indices }] of early) {
    for (const output of indices) {
      const caller = takeFirst(open, id);
      if (caller === undefined) break;
      outputOf.set(caller, output);
      paired.add(output);
    }
  }
  return { outputOf, paired };
}

/** A queue whose front moves by a cursor: `shift` would make many calls of one id quadratic. */
interface Queue {
  readonly indices: number[];
  front: number;
}

function push(map: Map<string, Queue>, id: string, index: number): void {
  const queue = map.get(id);
  if (queue === undefined) map.set(id, { indices: [index], front: 0 });
  else queue.indices.push(index);
}

function takeFirst(map: Map<string, Queue>, id: string): number | undefined {
  const queue = map.get(id);
  return queue === undefined ? undefined : queue.indices[queue.front++];
}
