/** Input items to chat messages: system text, adjacency of calls and outputs, reasoning. One pass, linear in the items. @module */
import { SynthError } from "@synth/core";
import type { InputItem, KnownInputItem, MessageItem, UnknownInputItem } from "@synth/core/api";
import type { ChatMessage, ChatPart } from "../chat.ts";
import type { UpstreamProfile } from "../profile.ts";
import type { Sealer, SealScope } from "../seal.ts";
import { AssistantGroup } from "./assistant_group.ts";
import { CallIds } from "./call_ids.ts";
import type { ItemSecrets } from "./item_secret.ts";
import { COMPACTION_PROMPT, compactionText } from "./compaction.ts";
import { textOf, unsupported, userContent } from "./content.ts";
import { callIdOf, pairCalls, type Pairing } from "./pairing.ts";
import { reasoningOf } from "./reasoning_replay.ts";
import { chatToolCall } from "./tool_call.ts";
import { ABORTED, toolOutput } from "./tool_output.ts";

/** What the translation of a history needs to know. */
export interface HistoryOptions {
  readonly profile: UpstreamProfile;
  readonly sealer: Sealer | null;
  readonly scope: SealScope;
  /** What was stored of items beside what the client was shown. */
  readonly secrets?: ItemSecrets | undefined;
  readonly instructions: string | null;
  /** System text that the gateway adds behind the client's. */
  readonly hints: readonly string[];
  /** Reasoning of which turns goes back. */
  readonly reasoningContext: "all_turns" | "current_turn";
  /** The path of an item for errors. */
  readonly path: (index: number) => string;
  /** Told of what is not carried. */
  readonly ignore: (what: string) => void;
}

/** Translates a whole history. */
export function chatMessages(items: readonly InputItem[], options: HistoryOptions): ChatMessage[] {
  return new History(items, options).translate();
}

class History {
  readonly #items: readonly InputItem[];
  readonly #options: HistoryOptions;
  readonly #pairing: Pairing;
  readonly #ids: CallIds;
  readonly #system: string[] = [];
  readonly #messages: ChatMessage[] = [];
  readonly #reasoningFrom: number;
  #group: AssistantGroup | null = null;

  constructor(items: readonly InputItem[], options: HistoryOptions) {
    this.#items = items;
    this.#options = options;
    this.#pairing = pairCalls(items);
    this.#ids = new CallIds(options.profile.callId);
    this.#reasoningFrom = options.reasoningContext === "current_turn"
      ? items.findLastIndex((item) => (item as MessageItem).role === "user")
      : -1;
    if (options.instructions !== null && options.instructions !== "") {
      this.#system.push(options.instructions);
    }
  }

  translate(): ChatMessage[] {
    for (let index = 0; index < this.#items.length; index++) {
      this.#item(this.#items[index]!, index);
    }
    this.#flush();
    const system = [...this.#system, ...this.#options.hints].join("\n\n");
    if (system === "") return this.#messages;
    return [{ role: this.#options.profile.systemRole, content: system }, ...this.#messages];
  }

  #item(item: InputItem, index: number): void {
    const known = item as KnownInputItem;
    switch (known.type) {
      case undefined:
      case null:
      case "message":
        this.#message(known, index);
        return;
      case "reasoning": {
        if (index < this.#reasoningFrom) return;
        const { profile, sealer, scope, secrets } = this.#options;
        const reasoning = reasoningOf(known, profile, sealer, scope, secrets);
        if (reasoning !== null) this.#open(index, false).reasoning.push(reasoning);
        return;
      }
      case "function_call":
      case "custom_tool_call":
      case "tool_search_call":
      case "local_shell_call":
      case "shell_call":
      case "apply_patch_call": {
        const id = callIdOf(known);
        // A search that the server ran: there is nothing to replay.
        if (id === null) return;
        const group = this.#open(index, false);
        const upstreamId = this.#ids.assign(id);
        group.addCall(
          chatToolCall(known, upstreamId, this.#options.profile),
          this.#pairing.outputOf.get(index) ?? null,
        );
        return;
      }
      case "function_call_output":
      case "custom_tool_call_output":
      case "tool_search_output":
      case "local_shell_call_output":
      case "shell_call_output":
      case "apply_patch_call_output":
        if (this.#pairing.paired.has(index)) this.#group?.noteOutput();
        else this.#orphan(known, index);
        return;
      case "additional_tools":
        return;
      case "item_reference":
        throw new SynthError(`Item '${known.id.slice(0, 64)}' not found`, {
          code: "item_not_found",
          status: 400,
          param: this.#options.path(index),
          hint: "Send the item itself, not its id: with store: false most clients do",
        });
      case "compaction":
      case "compaction_summary":
        this.#user(compactionText(known, this.#options));
        return;
      case "compaction_trigger":
        if (index === this.#items.length - 1) this.#user(COMPACTION_PROMPT);
        return;
      default:
        this.#unknown(item as UnknownInputItem);
    }
  }

  #message(item: MessageItem, index: number): void {
    const { profile, path } = this.#options;
    if (item.role === "assistant") {
      this.#assistant(item, index);
      return;
    }
    if (item.role === "user") {
      const content = userContent(item.content, profile, path(index));
      if (content !== null) this.#user(content);
      return;
    }
    const text = textOf(item.content, "\n\n", (part, at) => {
      throw unsupported(
        `'${part.type.slice(0, 64)}' in a ${item.role} message`,
        `${path(index)}.content[${at}]`,
      );
    });
    if (text !== "") this.#systemText(text);
  }

  #systemText(text: string): void {
    const { midSystem, systemRole } = this.#options.profile;
    const leading = this.#messages.length === 0 && this.#group === null;
    if (leading || midSystem === "hoist") {
      this.#system.push(text);
    } else if (midSystem === "system") {
      this.#flush();
      this.#messages.push({ role: systemRole, content: text });
    } else {
      this.#user(`<system-reminder>\n${text}\n</system-reminder>`);
    }
  }

  #assistant(item: MessageItem, index: number): void {
    const refusals: string[] = [];
    const text = textOf(item.content, "", (part) => {
      if (typeof part.refusal === "string" && part.refusal !== "") refusals.push(part.refusal);
    });
    if (text === "" && refusals.length === 0) return;
    const group = this.#open(index, true);
    if (text !== "") group.texts.push(text);
    group.refusals.push(...refusals);
  }

  /** An output whose call is gone: its text must not be lost, and a bare tool message would be refused. */
  #orphan(item: KnownInputItem, index: number): void {
    const id = callIdOf(item);
    if (id === null) return;
    const output = this.#output(index);
    const text = `[tool output for ${id}]\n${output.text}`;
    this.#user(output.media.length === 0 ? text : [{ type: "text", text }, ...output.media]);
  }

  #unknown(item: UnknownInputItem): void {
    const content = item["content"] ?? item["text"];
    const parts = Array.isArray(content)
      ? content.map((part: unknown) => (part as { text?: unknown } | null)?.text)
      : [content];
    const text = parts.filter((part) => typeof part === "string" && part !== "").join("\n");
    if (text !== "") this.#user(text);
    else this.#options.ignore(`input:${item.type}`);
  }

  #user(content: string | ChatPart[]): void {
    this.#flush();
    this.#messages.push({ role: "user", content });
  }

  #output(index: number): ReturnType<typeof toolOutput> {
    const { profile, path, ignore } = this.#options;
    return toolOutput(this.#items[index]!, profile, path(index), ignore);
  }

  /**
   * The assistant message that an item belongs to. A new one begins behind an output, but text that stands between a call and its
   * output stays with the call.
   */
  #open(index: number, isText: boolean): AssistantGroup {
    const group = this.#group;
    if (group !== null && (!group.sawOutput || (isText && group.lastOutput > index))) return group;
    this.#flush();
    return this.#group = new AssistantGroup();
  }

  #flush(): void {
    const group = this.#group;
    if (group === null) return;
    this.#group = null;
    group.write(
      this.#messages,
      this.#options.profile,
      (index) => index === null ? ABORTED : this.#output(index),
    );
  }
}
