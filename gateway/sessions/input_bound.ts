/**
 * An upper bound of a request's input, in tokens, without a tokenizer.
 *
 * A token of a byte-level vocabulary stands for at least one byte, so the UTF-8 bytes of what is sent bound its tokens. That is about four times too much for prose, so the session remembers
 * what earlier requests of the same conversation were reported to have: then only what is new counts by its bytes.
 *
 * @module
 */
import type { ChatMessage, ChatPart, ChatRequest } from "../bridge/chat.ts";
import type { InputBounds } from "../pricing/price_book.ts";
import { isSwitch, NEUTRAL_FIELDS, unmeterableField } from "./chat_fields.ts";
import type { PrefixCandidate } from "./ledger/ledger.ts";
import type { PrefixHasher } from "./prefix_hash.ts";

/** What a chat template puts around a whole request, at most: its own system text, the frame of the tools. */
const REQUEST_TOKENS = 256;
/** What it puts around one message: role, separators, the tokens that open the answer. */
const MESSAGE_TOKENS = 16;
/** What it puts around one tool beside the tool's own JSON. */
const TOOL_TOKENS = 32;
/** Boundaries that are offered to the session's memory. */
const MAX_CANDIDATES = 64;

/** What a request's input can come to. */
export interface BoundedInput {
  /** Tokens at most, nothing remembered. */
  readonly tokens: number;
  /** Beginnings of this conversation, the longest first, each with the tokens behind it. */
  readonly prefixes: readonly PrefixCandidate[];
  /** Names the whole input; remembered with the tokens that the upstream reports. */
  readonly hash: string;
  /** The first part that nothing bounds, for the refusal under a hard limit; `null`: none. */
  readonly unmeterable: string | null;
}

const encoder = new TextEncoder();

/**
 * Bounds what `chat` sends. Linear in its size; data URLs count by the model's bounds and not by their bytes.
 *
 * @param server who counts the tokens: another upstream may have another tokenizer for a model of the same name
 */
export function boundInput(
  chat: ChatRequest,
  bounds: InputBounds,
  hasher: PrefixHasher,
  server = "",
): BoundedInput {
  const hash = hasher();
  hash.update(encoder.encode(JSON.stringify(server)));
  const media = new MediaBounds(bounds);
  const head = encoder.encode(JSON.stringify(headOf(chat)));
  hash.update(head);
  // They are not in the prompt, and say what of the rest is.
  hash.update(encoder.encode(JSON.stringify(fieldsOf(chat, isSwitch))));
  let tokens = REQUEST_TOKENS + head.length + (chat.tools?.length ?? 0) * TOOL_TOKENS;
  const boundaries: { hash: string; upTo: number }[] = [];
  const firstOffered = chat.messages.length - MAX_CANDIDATES;
  chat.messages.forEach((message, i) => {
    const bytes = encoder.encode(JSON.stringify(message));
    hash.update(bytes);
    tokens += MESSAGE_TOKENS + media.count(message, bytes.length, i);
    // A request ends with what the model is to answer, never with the model's own words: only such ends can be known.
    if (i >= firstOffered && message.role !== "assistant" && !media.remote) {
      boundaries.push({ hash: hash.peek(), upTo: tokens });
    }
  });
  const total = tokens;
  const last = boundaries.at(-1);
  return {
    tokens: total,
    prefixes: boundaries.reverse().map(({ hash, upTo }) => ({
      hash,
      rest: total - upTo + MESSAGE_TOKENS,
    })),
    hash: last?.upTo === total ? last.hash : hash.peek(),
    unmeterable: media.unmeterable ?? unmeterableField(chat),
  };
}

/** Everything beside the messages that may be put into the prompt: tools, schemas, and whatever an upstream knows that we do not. */
function headOf(chat: ChatRequest): [string, unknown][] {
  return fieldsOf(chat, (field) => !NEUTRAL_FIELDS.has(field));
}

function fieldsOf(
  chat: ChatRequest,
  wanted: (field: string, value: unknown) => boolean,
): [string, unknown][] {
  return Object.entries(chat)
    .filter(([field, value]) => value !== undefined && wanted(field, value))
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Counts messages with images, audio and files, whose tokens have nothing to do with their bytes. */
class MediaBounds {
  readonly #bounds: InputBounds;
  unmeterable: string | null = null;
  /** Something was named and not sent: what it is, and so what it costs, may be another thing the next time. */
  remote = false;

  constructor(bounds: InputBounds) {
    this.#bounds = bounds;
  }

  count(message: ChatMessage, bytes: number, index: number): number {
    const content = message.content;
    let tokens = bytes;
    const { audio } = message as { readonly audio?: unknown };
    if (typeof audio === "object" && audio !== null) {
      // The model's own speech of an earlier turn, by its id.
      this.remote = true;
      if (this.#bounds.audioTokens === null) this.unmeterable ??= `messages[${index}].audio`;
      tokens += this.#bounds.audioTokens ?? 0;
    }
    if (!Array.isArray(content)) return tokens;
    content.forEach((part, i) => {
      const bound = this.#boundOf(part);
      if (bound === undefined) return;
      if (bound === null) this.unmeterable ??= `messages[${index}].content[${i}]: ${part.type}`;
      if (isRemote(part)) this.remote = true;
      tokens += (bound ?? 0) - mediaBytes(part);
    });
    return Math.max(tokens, 0);
  }

  /** Tokens of a part, `null` when nobody knows, `undefined` for text. */
  #boundOf(part: ChatPart): number | null | undefined {
    switch (part.type) {
      case "text":
        return undefined;
      case "image_url":
        return this.#bounds.imageTokens;
      case "input_audio":
        return this.#bounds.audioTokens;
      case "file":
        return this.#bounds.fileTokens;
      default:
        return null;
    }
  }
}

/** Whether the upstream fetches the payload from elsewhere. */
function isRemote(part: ChatPart): boolean {
  switch (part.type) {
    case "image_url":
      return !/^data:/i.test(String(part.image_url?.url));
    case "file":
      return typeof part.file?.file_data !== "string";
    default:
      return part.type !== "input_audio";
  }
}

/** Bytes of the payload that the JSON of a part contains. */
function mediaBytes(part: ChatPart): number {
  switch (part.type) {
    case "image_url":
      return payloadBytes(part.image_url?.url);
    case "input_audio":
      return payloadBytes(part.input_audio?.data);
    case "file":
      return payloadBytes(part.file?.file_data);
    default:
      return 0;
  }
}

/** Base64 and URLs are ASCII and need no escapes; anything else is left to count as text. */
function payloadBytes(payload: unknown): number {
  return typeof payload === "string" && /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/.test(payload)
    ? payload.length
    : 0;
}
