/** An upstream whose books are kept: what it reported is what the ledger must show. @module */
import {
  completion,
  delta,
  DONE,
  finish,
  frame,
  json,
  role,
  sse,
  usageOf,
} from "./chat_replies.ts";
import type { RawReply, Step } from "./raw_http.ts";
import { isRecord, type Rec } from "./response_shape.ts";
import { type RecordedRequest, type ScriptedUpstream, startUpstream } from "./scripted_upstream.ts";

/** Nano-USD per million tokens that {@linkcode billConfig} charges. */
const INPUT_RATE = 75_000_000n;
const OUTPUT_RATE = 300_000_000n;

/** What the upstream wants to say, in tokens, before the cap counts. */
export interface BillOptions {
  /** Tokens that the n-th answer would have. @default {4 to 63, by n} */
  readonly wanted?: (n: number) => number;
  /** The answer is this many times as long as its cap allows. @default {1: the cap is kept} */
  readonly times?: number;
  /** Held back after the first chunk of a stream until this settles. */
  readonly gate?: Promise<void>;
  /** Input tokens of a body. @default {a token for each 4 bytes of the messages} */
  readonly input?: (body: Rec) => number;
}

/** What was reported so far. */
export interface Bill {
  calls: number;
  tokens: bigint;
  /** Nano-USD, each call rounded up. */
  cost: bigint;
}

/** Starts it. `bill` grows when an answer is made. */
export async function startBillingUpstream(
  options: BillOptions = {},
): Promise<ScriptedUpstream & { readonly bill: Bill }> {
  const bill: Bill = { calls: 0, tokens: 0n, cost: 0n };
  const upstream = await startUpstream({
    reply: (request, n) => answer(request, n, options, bill),
  });
  return Object.assign(upstream, { bill });
}

function answer(request: RecordedRequest, n: number, options: BillOptions, bill: Bill): RawReply {
  const { body } = request;
  const cap = Number(body.max_completion_tokens ?? body.max_tokens ?? Infinity);
  const wanted = (options.wanted ?? ((n) => 4 + (n * 37) % 60))(n);
  const times = options.times ?? 1;
  const output = times === 1 ? Math.min(cap, wanted) : cap * times;
  const input = options.input?.(body) ?? tokensOf(body.messages);
  bill.calls++;
  bill.tokens += BigInt(input + output);
  bill.cost += (BigInt(input) * INPUT_RATE + BigInt(output) * OUTPUT_RATE + 999_999n) / 1_000_000n;
  const text = "abc ".repeat(output);
  const reason = times === 1 && output < wanted ? "length" : "stop";
  const usage = usageOf(input, output);
  if (body.stream !== true) return json(200, completion({ content: text }, reason, usage));
  const half = Math.ceil(text.length / 2);
  const gate: Step[] = options.gate === undefined ? [] : [{ wait: options.gate }];
  return sse([
    frame(role()),
    frame(delta({ content: text.slice(0, half) })),
    ...gate,
    frame(delta({ content: text.slice(half) })),
    frame(finish(reason)),
    frame({ ...finish(reason), choices: [], usage }),
    DONE,
  ]);
}

/** About what a tokenizer gives for English: a token for each 4 bytes. */
export function tokensOf(messages: unknown): number {
  const list = Array.isArray(messages) ? messages : [];
  const texts = list.map((message) => isRecord(message) ? JSON.stringify(message.content) : "");
  return Math.ceil(new TextEncoder().encode(texts.join("")).length / 4);
}

/** The configuration of a gateway in front of it: `up-*` costs, `up-free-*` does not. */
export function billConfig(baseUrl: string, gateway = "", sessions = ""): string {
  return `
[gateway]
${gateway}
[sessions]
${sessions}
[upstreams.up]
base_url = "${baseUrl}"
[models."up-*"]
upstream = "up"
price = { input = 0.075, output = 0.30 }
[models."up-free-*"]
upstream = "up"
price = "free"
`;
}
