/**
 * Chat Completions chunks in, Responses events out. Whatever the upstream does, what comes out keeps the grammar of
 * bridge.md 9 and ends with one terminal event.
 *
 * ```ts ignore
 * const writer = new EventWriter();
 * const machine = new ResponseMachine(plan, { responseId, createdAt, newId, seal, sink: writer });
 * machine.start();
 * for await (const chunk of chunks) machine.chunk(chunk);
 * const response = machine.finish({ reason: "done", now });
 * ```
 *
 * @module
 */
import {
  asFields,
  contentPieces,
  errorOfChunk,
  type Fields,
  isReadablePart,
  logprobsOf,
  reasoningDetails,
  reasoningText,
} from "../chat_chunk.ts";
import type { TurnPlan } from "../plan.ts";
import { LOOP_MESSAGE } from "../request/loop_guard.ts";
import {
  type ResponseError,
  type ResponseObject,
  responseObject,
  type ResponseState,
} from "../response_object.ts";
import { streamError, streamErrorOf } from "../upstream_error.ts";
import { Emitter, type EmitterOptions, MAX_CALLS } from "./emitter.ts";
import { ItemQueue } from "./item_queue.ts";
import { concludeSummary } from "./summary.ts";
import { type Ending, endingOf, type EndReason, serverError } from "./terminal.ts";
import { ThinkTags } from "./think_tags.ts";
import { ToolCalls } from "./tool_calls.ts";
import { responseUsage, type TurnUsage, UsageMeter } from "./usage.ts";
import { utf8Length } from "./utf8_length.ts";

/** What a turn needs beside its plan. */
export interface MachineOptions extends EmitterOptions {
  /** `resp_...`; the same in every event. */
  readonly responseId: string;
  /** Unix seconds. */
  readonly createdAt: number;
}

/** The end of the input. */
export interface TurnEnd {
  readonly reason: EndReason;
  /** With reason `error`; others have their own text. */
  readonly error?: ResponseError;
  /** Unix seconds, for `completed_at`. */
  readonly now: number;
}

/** Where a turn stands. */
export interface TurnResult {
  /** The final object; `null` while the turn runs. */
  readonly response: ResponseObject | null;
  readonly usage: TurnUsage;
  /** UTF-8 bytes that the model generated, shown to the client or not. */
  readonly outputBytes: number;
  /** The first finish reason of the upstream. */
  readonly finishReason: string | null;
  /** Whether the client was told of any item: before that, the upstream can be asked again unnoticed. */
  readonly started: boolean;
  /** Whether the terminal event is out. */
  readonly done: boolean;
  /** Calls that were kept from the client: not declared, not allowed, or one too many. */
  readonly suppressedCalls: number;
}

/** More values that are no chunk than this are no accident. */
const MAX_MALFORMED = 100;

const TOO_MANY_CALLS = serverError(`The model made more than ${MAX_CALLS} calls in one answer`);

/** Translates one turn. Synchronous, without clock, network or randomness of its own. */
export class ResponseMachine {
  readonly #plan: TurnPlan;
  readonly #options: MachineOptions;
  readonly #emitter: Emitter;
  readonly #queue: ItemQueue;
  readonly #calls: ToolCalls;
  readonly #think: ThinkTags | null;
  readonly #usage = new UsageMeter();
  #outputBytes = 0;
  #reasoningBytes = 0;
  #finish: string | null = null;
  #choice: number | null = null;
  #any = false;
  #begun = false;
  #malformed = 0;
  /** Whether there was content of which no text could be made. */
  #unread = false;
  #serviceTier: string | undefined;
  #response: ResponseObject | null = null;

  constructor(plan: TurnPlan, options: MachineOptions) {
    this.#plan = plan;
    this.#options = options;
    this.#emitter = new Emitter(plan, options);
    this.#queue = new ItemQueue(this.#emitter);
    this.#calls = new ToolCalls(this.#emitter, this.#queue);
    this.#think = plan.thinkTags
      ? new ThinkTags({
        text: (piece) => this.#queue.text(piece, false),
        reasoning: (piece) => {
          this.#reasoningBytes += utf8Length(piece);
          this.#queue.reasoning(piece, []);
        },
      })
      : null;
  }

  /** Whether the terminal event is out. */
  get done(): boolean {
    return this.#response !== null;
  }

  /** Whether the client was told of any item. */
  get started(): boolean {
    return this.#emitter.started;
  }

  /** UTF-8 bytes that the model generated so far. */
  get outputBytes(): number {
    return this.#outputBytes;
  }

  /** Of these the bytes that no count of the upstream has in it, because the answer was broken off. */
  get uncountedBytes(): number {
    return this.#finish === null ? this.#usage.uncounted(this.#outputBytes) : 0;
  }

  get result(): TurnResult {
    return {
      response: this.#response,
      usage: this.#readUsage(),
      outputBytes: this.#outputBytes,
      finishReason: this.#finish,
      started: this.started,
      done: this.done,
      suppressedCalls: this.#calls.suppressed,
    };
  }

  /** Emits `response.created` and `response.in_progress`. The first chunk does it too. */
  start(): void {
    if (this.#begun) return;
    this.#begun = true;
    const response = this.#object({ status: "in_progress" });
    this.#emitter.emit({ type: "response.created", response });
    this.#emitter.emit({ type: "response.in_progress", response });
  }

  /** Emits a `keepalive`, which resets the idle timers of clients; comments do not. */
  keepalive(): void {
    if (this.#begun && !this.done) this.#emitter.emit({ type: "keepalive" });
  }

  /** Takes the parsed data of one SSE event, or a whole `chat.completion`. */
  chunk(value: unknown): void {
    if (this.done) return;
    this.start();
    const chunk = asFields(value);
    if (chunk === null) return this.#malformedChunk();
    if (chunk.usage !== undefined && chunk.usage !== null) this.#count(chunk.usage);
    if (chunk.x_groq !== undefined) this.#count(asFields(chunk.x_groq)?.usage);
    const error = errorOfChunk(chunk);
    if (error !== null) return this.#fail(error);
    if (typeof chunk.service_tier === "string") this.#tier(chunk.service_tier);
    const choices = chunk.choices;
    if (!Array.isArray(choices) || choices.length === 0) return;
    const choice = asFields(choices[0]);
    if (choice === null || !this.#isOurs(choice)) return;
    if (choice.usage !== undefined) this.#count(choice.usage);
    const delta = asFields(choice.delta) ?? asFields(choice.message);
    if (delta !== null) this.#delta(delta, choice);
    else if (typeof choice.text === "string") this.#say(choice.text, choice);
    if (this.#finish === null && typeof choice.finish_reason === "string") {
      this.#finish = choice.finish_reason === "" ? null : choice.finish_reason;
    }
  }

  /** Ends the turn with exactly one terminal event; a second call changes nothing. */
  finish(end: TurnEnd): ResponseObject {
    if (this.#response !== null) return this.#response;
    this.start();
    this.#think?.end();
    const ending = endingOf({
      end: this.#isOver(end.reason) ? "done" : end.reason,
      error: end.error === undefined ? undefined : streamErrorOf(end.error),
      finish: this.#finish,
      any: this.#any,
    });
    return this.#terminate(ending, end.now);
  }

  /**
   * Whether the model had ended before the connection failed or fell silent: then nothing but the usage is missing, and to
   * fail would make the client pay for the answer once more. A call may come after the finish reason: it must be whole.
   */
  #isOver(reason: EndReason): boolean {
    return (reason === "error" || reason === "idle") && this.#finish !== null &&
      this.#calls.allClosed;
  }

  #delta(delta: Fields, choice: Fields): void {
    const details = reasoningDetails(delta);
    const thought = reasoningText(delta, details);
    const kept = this.#plan.reasoning.seal || this.#options.remember !== undefined;
    if (thought !== "" || (details.length > 0 && kept)) {
      this.#reason(thought, details);
    }
    const { content, refusal, tool_calls, function_call } = delta;
    if (typeof content === "string") {
      if (content !== "") this.#say(content, choice);
    } else if (content !== undefined && content !== null) {
      const parts = Array.isArray(content) ? content : [content];
      if (!parts.every(isReadablePart)) this.#unread = true;
      for (const piece of contentPieces(parts)) {
        if (piece.thought) this.#reason(piece.text);
        else this.#say(piece.text, choice);
      }
    }
    if (typeof refusal === "string" && refusal !== "") this.#refuse(refusal);
    if (Array.isArray(tool_calls) && tool_calls.length > 0) this.#call(tool_calls);
    if (function_call !== undefined && function_call !== null) {
      this.#call([{ function: function_call }]);
    }
  }

  #reason(text: string, details: readonly Fields[] = []): void {
    const bytes = utf8Length(text);
    this.#outputBytes += bytes;
    this.#reasoningBytes += bytes;
    this.#any = true;
    this.#queue.reasoning(text, details);
  }

  #say(text: string, choice: Fields): void {
    this.#any = true;
    this.#outputBytes += utf8Length(text);
    if (this.#think !== null) return this.#think.push(text);
    this.#queue.text(text, false, this.#plan.logprobs ? logprobsOf(choice) : undefined);
  }

  #refuse(text: string): void {
    this.#any = true;
    this.#outputBytes += utf8Length(text);
    this.#think?.end();
    this.#queue.text(text, !this.#plan.refusalAsText || this.#plan.compaction === true);
  }

  #call(entries: readonly unknown[]): void {
    this.#any = true;
    this.#think?.end();
    this.#outputBytes += this.#calls.take(entries);
    // Told at once: what more the model generates would be paid for and thrown away.
    if (this.#emitter.overflowed) this.#fail(TOO_MANY_CALLS);
  }

  /** `n` is never more than one: whatever else an upstream sends is not for this client. */
  #isOurs(choice: Fields): boolean {
    if (typeof choice.index !== "number") return true;
    this.#choice ??= choice.index;
    return choice.index === this.#choice;
  }

  #tier(tier: string): void {
    if (/^[a-z0-9_-]{1,32}$/.test(tier)) this.#serviceTier = tier;
  }

  #malformedChunk(): void {
    if (++this.#malformed > MAX_MALFORMED) {
      this.#fail({
        code: "server_error",
        message: "The upstream sent something that is no stream",
      });
    }
  }

  #fail(raw: unknown): void {
    const error = streamError(raw);
    this.#think?.end();
    this.#terminate({ kind: "failed", error }, this.#options.createdAt, true);
  }

  #terminate(planned: Ending, now: number, tell = false): ResponseObject {
    this.#calls.identifyAll();
    if (planned.kind === "normal") this.#calls.adoptUndeclared();
    const tooMany = this.#emitter.overflowed && planned.kind !== "failed";
    const ending: Ending = tooMany ? { kind: "failed", error: TOO_MANY_CALLS } : planned;
    const stopped = this.#calls.stopped(ending.kind !== "normal");
    const whole = this.#queue.drain(ending, stopped);
    if (ending.kind === "failed") return this.#endFailed(ending.error, tell);
    if (this.#plan.compaction === true && ending.kind === "normal") {
      if (!concludeSummary(this.#emitter, this.#queue.summary)) {
        return this.#endFailed(serverError("The model gave no summary"), false);
      }
      return this.#end("completed", { completed_at: now });
    }
    if (ending.kind === "normal" || whole) {
      if (!this.#fillEmpty()) {
        return this.#endFailed(serverError("The upstream's answer could not be read"), false);
      }
      return this.#end("completed", { completed_at: now });
    }
    return this.#end("incomplete", { incomplete_details: { reason: ending.reason } });
  }

  #endFailed(error: ResponseError, tell: boolean): ResponseObject {
    if (tell) {
      const both = { code: error.code, message: error.message, param: null };
      const type = error.code === "rate_limit_exceeded" ? "rate_limit_error" : "server_error";
      this.#emitter.emit({ type: "error", ...both, error: { type, ...both } });
    }
    return this.#end("failed", { error });
  }

  /** A turn that completes says something or calls something; `false` when what it said could not be read. */
  #fillEmpty(): boolean {
    const { closedCalls, spokenMessages } = this.#emitter;
    if (closedCalls > 0 || spokenMessages > 0) return true;
    const loop = this.#plan.loop ?? null;
    const words = this.#calls.finalMessage;
    if (words === "" && this.#unread) return false;
    this.#queue.text(words === "" && loop !== null ? LOOP_MESSAGE : words, false);
    this.#queue.drain({ kind: "normal" }, false);
    return true;
  }

  #end(
    status: "completed" | "incomplete" | "failed",
    state: Partial<ResponseState>,
  ): ResponseObject {
    const usage = responseUsage(this.#readUsage());
    const response = this.#object({ ...state, status, output: [...this.#emitter.output], usage });
    this.#response = response;
    this.#emitter.emit({ type: `response.${status}`, response });
    return response;
  }

  #count(usage: unknown): void {
    this.#usage.take(usage, this.#outputBytes);
  }

  #readUsage(): TurnUsage {
    return this.#usage.read({
      input: this.#plan.inputBytes,
      output: this.#outputBytes,
      reasoning: this.#reasoningBytes,
    });
  }

  #object(state: Partial<ResponseState> & Pick<ResponseState, "status">): ResponseObject {
    return responseObject(
      {
        id: this.#options.responseId,
        created_at: this.#options.createdAt,
        completed_at: null,
        error: null,
        incomplete_details: null,
        output: [],
        usage: null,
        ...state,
      },
      this.#plan.echo,
      this.#serviceTier,
    );
  }
}
