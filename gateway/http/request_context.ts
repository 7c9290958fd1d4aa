/** What every handler is given: the request, its id, the snapshot it runs on, and what its log line will say. @module */
import { type Clock, type Json, newId, type SynthError } from "@synth/core";
import type { Principal } from "@synth/core/auth";
import { type EndSignal, Lifetime } from "../lifetime.ts";
import type { FetchInfo } from "../options.ts";
import type { Snapshot } from "../snapshot.ts";
import type { ModelSpan } from "../telemetry/model_span.ts";
import type { ResolvedModel } from "../upstreams/model_table.ts";

const SANE_ID = /^[A-Za-z0-9._:-]{1,128}$/;
const TRACE_ID = /^(?:trace|cid|eval)_[A-Za-z0-9._-]{1,128}$/;

/** What a {@linkcode RequestContext} is made from. */
export interface RequestContextOptions {
  readonly request: Request;
  /** Path parameters. */
  readonly params: Readonly<Record<string, string>>;
  readonly snapshot: Snapshot;
  readonly clock: Clock;
  /** Called once, when the answer is complete. */
  readonly onFinish: (context: RequestContext) => void;
  /** Keeps a promise that outlives the answer. */
  readonly waitUntil: (promise: Promise<unknown>) => void;
  /** How the request came in. @default {{}} */
  readonly info?: FetchInfo;
}

/** One request on its way through the gateway. */
export class RequestContext {
  readonly request: Request;
  /**
   * The client's `x-request-id` when it is sane, else one of ours: in the answer, in the log, in an error's body, and on the way to the upstream.
   * A client can use one twice, so nothing is kept under it.
   */
  readonly id: string;
  /** The configuration this request began with; a reload does not change it. */
  readonly snapshot: Snapshot;
  readonly clock: Clock;
  readonly params: Readonly<Record<string, string>>;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  /** Members of the log line; never a secret, never content. */
  readonly fields: Record<string, Json> = {};
  readonly waitUntil: (promise: Promise<unknown>) => void;
  readonly info: FetchInfo;
  /** The model whose upstream was called last. */
  model: ResolvedModel | null = null;
  /** The call of a model that is traced or measured. */
  call: ModelSpan | null = null;
  /** Ends the stream that counts against the key. */
  releaseStream: (() => void) | null = null;
  /** Headers that tell what is left of the key's rate limit. */
  rate: Readonly<Record<string, string>> | null = null;
  /** A failure of ours or of an upstream, for the log. */
  error: Error | null = null;
  /** Set by a handler whose body goes on after it returned, and which calls {@linkcode finish} itself. */
  streaming = false;
  readonly #onFinish: (context: RequestContext) => void;
  readonly #life: Lifetime = new Lifetime();
  #principal: Principal | null = null;
  #finished = false;
  #stopDeadline: () => void;

  constructor(options: RequestContextOptions) {
    const { request, snapshot, clock } = options;
    this.request = request;
    this.params = options.params;
    this.snapshot = snapshot;
    this.clock = clock;
    this.waitUntil = options.waitUntil;
    this.info = options.info ?? {};
    this.#onFinish = options.onFinish;
    this.startedAt = clock.monotonic();
    this.#stopDeadline = () => {};
    this.id = sane(request.headers.get("x-request-id")) ?? newId("req_");
    this.#noteIds();
  }

  /** Ends with an error when the request must not go on: its time is up, the server stops, the client is gone. */
  get signal(): EndSignal {
    return this.#life;
  }

  /** Why the signal was aborted. */
  get abortReason(): SynthError | null {
    return this.#life.aborted ? this.#life.reason as SynthError : null;
  }

  /** Ends the request with this error. */
  abort(reason: SynthError): void {
    this.#life.abort(reason);
  }

  /** Starts the time limit of the whole request. */
  limit(ms: number, reason: () => SynthError): void {
    this.#stopDeadline();
    this.#stopDeadline = this.clock.after(ms, () => this.abort(reason()));
  }

  /** The answer is complete, or will never be. */
  finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#stopDeadline();
    this.releaseStream?.();
    this.#onFinish(this);
  }

  /** The org that asks, once that is known. */
  get org(): string | null {
    return this.#principal?.org ?? null;
  }

  /** Who asks. Throws a plain error on a route without authentication: a bug of ours. */
  get principal(): Principal {
    if (this.#principal === null) throw new Error("this route has no principal");
    return this.#principal;
  }

  set principal(principal: Principal) {
    this.#principal = principal;
  }

  #noteIds(): void {
    const { headers, url } = this.request;
    // Codex sends one for a whole conversation: it names no request.
    const theirs = sane(headers.get("x-client-request-id"));
    if (theirs !== null) this.fields["client_request_id"] = theirs;
    const query = url.indexOf("?");
    const trace = this.params["trace"] ??
      (query === -1 ? null : new URLSearchParams(url.slice(query)).get("cid"));
    if (trace !== null && TRACE_ID.test(trace)) this.fields["trace_id"] = trace;
  }
}

function sane(id: string | null): string | null {
  return id !== null && SANE_ID.test(id) ? id : null;
}
