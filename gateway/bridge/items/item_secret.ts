/** What is remembered of items beside what the client is shown of them. @module */
import type { Json } from "@synth/core";

/** What the gateway knows of an item and does not show: how it goes back to the upstream that it is from. */
export interface ItemSecret {
  /** Whose it is: nobody else gets it. See {@linkcode chatMaker} and {@linkcode responsesMaker}. */
  readonly by: string;
  /** Of reasoning over Chat Completions: the text as it was received, and `reasoning_details`. */
  readonly text?: string;
  readonly details?: readonly Json[];
  /** Of an upstream that speaks the Responses API: its own id of the item, and what it sealed. */
  readonly id?: string;
  readonly encrypted_content?: string;
}

/** By the item's id, as the client knows it. */
export type ItemSecrets = ReadonlyMap<string, ItemSecret>;

/** Who made an item over Chat Completions. */
export function chatMaker(upstreamModel: string): string {
  return `chat:${upstreamModel}`;
}

/** Who made an item over the Responses API. */
export function responsesMaker(upstream: string): string {
  return `responses:${upstream}`;
}
