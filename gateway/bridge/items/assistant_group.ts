import type { ChatMessage, ChatPart, ChatToolCall } from "../chat.ts";
import type { UpstreamProfile } from "../profile.ts";
import { type Reasoning, reasoningMembers } from "./reasoning_replay.ts";
import type { ToolOutput } from "./tool_output.ts";

interface Call {
  readonly call: ChatToolCall;
  readonly output: number | null;
}

/** One assistant message while it is being collected, with the calls that it makes. */
export class AssistantGroup {
  readonly texts: string[] = [];
  readonly refusals: string[] = [];
  readonly reasoning: Reasoning[] = [];
  readonly #calls: Call[] = [];
  /** Index of the latest output among those of its calls; -1: none. */
  lastOutput = -1;
  /** Whether an output stood between its items and where the history is now. */
  sawOutput = false;

  addCall(call: ChatToolCall, output: number | null): void {
    this.#calls.push({ call, output });
    if (output !== null) this.lastOutput = Math.max(this.lastOutput, output);
  }

  noteOutput(): void {
    // Without a call of its own, what follows still belongs to the same message.
    if (this.#calls.length > 0) this.sawOutput = true;
  }

  /** Writes the message, then at once the output of each call in the calls' order, then one message with their images. */
  write(
    messages: ChatMessage[],
    profile: UpstreamProfile,
    outputAt: (index: number | null) => ToolOutput,
  ): void {
    const message = this.#message(profile);
    if (message === null) return;
    messages.push(message);
    const images: ChatPart[] = [];
    const single = this.#calls.length === 1;
    for (const { call, output } of this.#calls) {
      const { text, media } = outputAt(output);
      if (media.length === 0) {
        messages.push({ role: "tool", tool_call_id: call.id, content: text });
      } else if (profile.toolImages === "inline") {
        const parts: ChatPart[] = text === "" ? [...media] : [{ type: "text", text }, ...media];
        messages.push({ role: "tool", tool_call_id: call.id, content: parts });
      } else {
        const content = text === "" ? "[image output follows]" : text;
        messages.push({ role: "tool", tool_call_id: call.id, content });
        if (!single) images.push({ type: "text", text: `[image output of ${call.id}]` });
        images.push(...media);
      }
    }
    if (images.length > 0) messages.push({ role: "user", content: images });
  }

  #message(profile: UpstreamProfile): ChatMessage | null {
    const refusal = this.refusals.join("\n\n");
    const asField = refusal !== "" && profile.refusalField;
    const texts = asField || refusal === "" ? this.texts : [...this.texts, refusal];
    const text = texts.join("\n\n");
    // Reasoning alone is no message that an upstream would take.
    if (text === "" && !asField && this.#calls.length === 0) return null;
    return {
      role: "assistant",
      content: text === "" ? (profile.assistantNullContent === "null" ? null : "") : text,
      ...(asField ? { refusal } : {}),
      ...reasoningMembers(this.reasoning, profile),
      ...(this.#calls.length === 0 ? {} : { tool_calls: this.#calls.map(({ call }) => call) }),
    };
  }
}
