/** Chat chunks to Responses events, as a turn needs it. @module */
import type { Clock } from "@synth/core";
import { EventWriter } from "../bridge/event_writer.ts";
import { chatMaker, type ItemSecret } from "../bridge/items/item_secret.ts";
import type { TurnPlan } from "../bridge/plan.ts";
import type { ResponseObject } from "../bridge/response_object.ts";
import type { Sealer } from "../bridge/seal.ts";
import { ResponseMachine, type TurnEnd } from "../bridge/stream/machine.ts";
import { type EventSink, NullSink } from "../bridge/stream/sink.ts";
import type { TurnUsage } from "../bridge/stream/usage.ts";
import type { Translation } from "../turn/translation.ts";
import { itemIds, newResponseId } from "./response_ids.ts";

/** How one answer is made. */
export interface ResponseTranslationOptions {
  readonly plan: TurnPlan;
  readonly clock: Clock;
  readonly org: string;
  readonly sealer: Sealer | null;
  /** Whether events are written; else only the final object is of interest. */
  readonly stream: boolean;
  /** @default {a new one} */
  readonly responseId?: string;
  /** Whether what the client is not shown of its reasoning is to be found in {@linkcode ResponseTranslation.secrets}. */
  readonly remember?: boolean;
}

/** Owns the machine and the writer of one response. */
export class ResponseTranslation implements Translation {
  readonly #machine: ResponseMachine;
  readonly #writer: EventWriter | null;
  /** Of the output's items; filled when {@linkcode ResponseTranslationOptions.remember} is set. */
  readonly secrets: Map<string, ItemSecret> = new Map();

  constructor(options: ResponseTranslationOptions) {
    const { plan, clock, org, sealer } = options;
    const responseId = options.responseId ?? newResponseId(plan.echo.store);
    this.#writer = options.stream ? new EventWriter() : null;
    const sink: EventSink = this.#writer ?? new NullSink();
    this.#machine = new ResponseMachine(plan, {
      responseId,
      createdAt: Math.floor(clock.now() / 1000),
      newId: itemIds(responseId),
      seal(payload) {
        if (sealer === null) throw new Error("no seal was planned");
        return sealer.seal(payload, { org, model: plan.chat.model });
      },
      sink,
      remember: options.remember !== true ? undefined : (id, { text, details }) => {
        const by = chatMaker(plan.chat.model);
        this.secrets.set(id, { by, text, ...(details === undefined ? {} : { details }) });
      },
    });
  }

  /** The final object; `null` until then. */
  get response(): ResponseObject | null {
    return this.#machine.result.response;
  }

  get done(): boolean {
    return this.#machine.done;
  }

  get started(): boolean {
    return this.#machine.started;
  }

  get outputBytes(): number {
    return this.#machine.outputBytes;
  }

  get uncountedBytes(): number {
    return this.#machine.uncountedBytes;
  }

  get usage(): TurnUsage {
    return this.#machine.result.usage;
  }

  get hasPending(): boolean {
    return this.#writer?.hasPending ?? false;
  }

  start(): void {
    this.#machine.start();
  }

  event(data: string, parsed?: unknown): void {
    let chunk = parsed;
    try {
      chunk ??= JSON.parse(data);
    } catch {
      // The machine counts what is no chunk, and gives up when there is too much of it.
    }
    this.#machine.chunk(chunk);
  }

  finish(end: TurnEnd): void {
    this.#machine.finish(end);
  }

  keepalive(): void {
    this.#machine.keepalive();
  }

  outcome(): { readonly [key: string]: string | number } {
    const { response, suppressedCalls } = this.#machine.result;
    return {
      outcome: response?.status ?? "failed",
      ...(response?.error ? { error_code: response.error.code } : {}),
      ...(suppressedCalls > 0 ? { suppressed_calls: suppressedCalls } : {}),
    };
  }

  flush(): Uint8Array<ArrayBuffer> | null {
    return this.#writer?.flush() ?? null;
  }
}
