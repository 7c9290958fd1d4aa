/** A tool call: its name, its arguments and the item that a client gets for it. @module */
import type { ToolBinding } from "../plan.ts";
import { type CallIdentity, callItem, ID_PREFIX } from "./call_items.ts";
import { findTool, isUnambiguous, joinName } from "./call_names.ts";
import type { Emitter } from "./emitter.ts";
import { InputDecoder } from "./input_decoder.ts";
import { JsonScan } from "./json_scan.ts";
import type { Segment } from "./segment.ts";
import { TextStream } from "./text_stream.ts";

/** No declared name is longer, joined from fragments or not. */
const MAX_NAME = 256;

/** One call of the turn, seen by the client or not. */
export class CallSegment implements Segment {
  readonly kind = "call";
  /** The id that the upstream gave, or "". */
  upstreamId = "";
  name = "";
  /** The arguments as they came. */
  raw = "";
  /** The upstream sends a custom tool's input as it is, not inside JSON. */
  plainInput = false;
  readonly #emitter: Emitter;
  readonly #scan = new JsonScan();
  #binding: ToolBinding | null | undefined;
  #undeclared = false;
  #opened = false;
  #closed = false;
  #identity: CallIdentity | null = null;
  #outputIndex = 0;
  #stream: TextStream | null = null;
  #decoder: InputDecoder | null = null;

  constructor(emitter: Emitter) {
    this.#emitter = emitter;
  }

  get opened(): boolean {
    return this.#opened;
  }

  get hidden(): boolean {
    return this.#binding === null || this.#binding?.kind === "stop";
  }

  get isStop(): boolean {
    return this.#binding?.kind === "stop";
  }

  get certain(): boolean {
    return this.#binding !== undefined && !this.hidden;
  }

  /** Whether the arguments are closed; never known for plain input. */
  get complete(): boolean {
    return !this.plainInput && this.#scan.complete;
  }

  get blank(): boolean {
    return this.raw.trim() === "";
  }

  /**
   * The first function or custom call streams. A later one waits until it is whole, so that a response that completes
   * never carries an announced call that was cut; so does every kind whose item cannot be sent in pieces.
   */
  get ready(): boolean {
    const kind = this.#binding?.kind;
    if (kind === undefined) return false;
    return (this.#emitter.openedCalls === 0 && (kind === "function" || kind === "custom")) ||
      this.complete;
  }

  get settled(): boolean {
    return this.complete;
  }

  /** Takes a name or a fragment of one. */
  rename(piece: string): void {
    if (piece === "" || this.#binding !== undefined) return;
    if (this.name.length + piece.length > MAX_NAME) return;
    if (this.name === "" || this.raw === "") {
      this.name = joinName(this.#emitter.plan.tools, this.name, piece);
    }
    if (this.raw !== "" || isUnambiguous(this.#emitter.plan.tools, this.name)) this.identify();
  }

  /** Takes a piece of the arguments. */
  append(piece: string): void {
    // What comes behind the closing bracket is too late once another item has followed: the client has the call.
    if (piece === "" || this.#closed) return;
    this.raw += piece;
    this.#scan.push(piece);
    if (this.#binding === undefined && this.name !== "") this.identify();
    else if (this.#stream !== null) this.#send(piece);
  }

  /** Settles which tool this is: from now on the name is final. A call without a name is nobody's. */
  identify(): void {
    if (this.#binding !== undefined) return;
    const found = findTool(this.#emitter.plan.tools, this.name);
    this.#undeclared = found === undefined;
    const passes = found !== undefined &&
      (found.kind === "stop" || (found.allowed && this.#emitter.admitCall()));
    this.#binding = passes ? found : null;
  }

  /**
   * Makes a call of a tool that was not declared one of a plain function.
   *
   * @returns whether it can be shown
   */
  adopt(): boolean {
    const { name } = this;
    if (!this.#undeclared || !/^[\x21-\x7e]+$/.test(name) || !this.#emitter.admitCall()) {
      return false;
    }
    this.#binding = { upstreamName: name, kind: "function", name, namespace: null, allowed: true };
    return true;
  }

  /** Keeps the call from the client, whatever it is. */
  hide(): void {
    this.#undeclared = false;
    this.#binding = null;
  }

  open(): void {
    const binding = this.#binding;
    if (!binding) return;
    const emitter = this.#emitter;
    this.#opened = true;
    emitter.openedCalls++;
    const identity = {
      id: emitter.newId(ID_PREFIX[binding.kind]),
      callId: emitter.callId(this.upstreamId),
      binding,
    };
    this.#identity = identity;
    this.#outputIndex = emitter.announce(callItem(identity, "in_progress", ""));
    if (binding.kind !== "function" && binding.kind !== "custom") return;
    const custom = binding.kind === "custom";
    if (custom && !this.plainInput) this.#decoder = new InputDecoder();
    this.#stream = new TextStream(emitter, {
      type: custom
        ? "response.custom_tool_call_input.delta"
        : "response.function_call_arguments.delta",
      itemId: identity.id,
      outputIndex: this.#outputIndex,
      partIndexName: null,
      partIndex: 0,
    });
    if (this.raw !== "") this.#send(this.raw);
  }

  /** Ends the call: from here on the client may run it. */
  close(): void {
    const emitter = this.#emitter;
    const identity = this.#identity;
    if (identity === null) return;
    this.#closed = true;
    const at = { item_id: identity.id, output_index: this.#outputIndex };
    const stream = this.#stream;
    let text = this.raw;
    if (stream !== null && identity.binding.kind === "custom") {
      if (this.#decoder !== null) stream.push(this.#decoder.end());
      text = stream.end();
      emitter.emit({ type: "response.custom_tool_call_input.done", ...at, input: text });
    } else if (stream !== null) {
      if (this.blank) stream.push("{}");
      text = stream.end();
      emitter.emit({
        type: "response.function_call_arguments.done",
        ...at,
        name: identity.binding.name,
        arguments: text,
      });
    }
    emitter.closedCalls++;
    emitter.conclude(this.#outputIndex, callItem(identity, "completed", text));
  }

  #send(piece: string): void {
    this.#stream?.push(this.#decoder === null ? piece : this.#decoder.push(piece));
  }
}
