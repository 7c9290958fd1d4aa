/**
 * Calls upstreams: with a lease, within a deadline, with retries before the first byte of an answer and none after it.
 *
 * @module
 */
import type { Clock } from "@synth/core";
import type { Lease } from "../sessions/lease.ts";
import { abortSignalOf, type EndSignal, Lifetime } from "../lifetime.ts";
import { inflated } from "./inflated.ts";
import type { ResolvedModel } from "./model_table.ts";
import { readText } from "./read_text.ts";
import { decideRetry, maybeBilled, type UpstreamFailure } from "./retry.ts";
import {
  abortedError,
  TransportError,
  type TransportReply,
  type UpstreamTransport,
} from "./transport.ts";
import { isCap, MAX_TRIED, UnsupportedParameters } from "./unsupported.ts";
import type { Upstream } from "./upstream.ts";
import type { UpstreamBody } from "./upstream_body.ts";

/** What one call needs beside its lease. */
export interface UpstreamCall {
  readonly model: ResolvedModel;
  /** What to send under a lease: its grant caps the output. */
  readonly body: (lease: Lease) => UpstreamBody;
  /** Charges the lease of an attempt that may have been billed and gives one for the next. Rejects when there is none. */
  readonly renew: (lease: Lease) => Promise<Lease>;
  readonly requestId: string;
  /** The trace that the call belongs to; `null`: the upstream is not told. */
  readonly traceParent: string | null;
  /** Ends the call and the reading of its answer: the client is gone, or the deadline has passed. */
  readonly signal: EndSignal;
  /** Milliseconds without a byte after which the upstream counts as stalled. */
  readonly idleTimeoutMs: number;
}

/** An answer whose status is 200 to 299, its body unread. */
export interface UpstreamAnswer {
  readonly ok: true;
  readonly lease: Lease;
  readonly reply: TransportReply;
  readonly attempts: number;
}

/** The last failure. */
export interface UpstreamRefusal {
  readonly ok: false;
  readonly lease: Lease;
  readonly failure: UpstreamFailure;
  /** The lease must be charged: the attempt may have cost money. Else it is released. */
  readonly billed: boolean;
  readonly attempts: number;
}

/** A cap that was renamed is not renamed back. */
function isSecondCap(parameter: string, tried: ReadonlySet<string>): boolean {
  return isCap(parameter) && [...tried].some(isCap);
}

const PATHS = { chat: "/chat/completions", responses: "/responses" } as const;
const ERROR_BODY_BYTES = 64 * 1024;
const ERROR_BODY_MS = 5000;

/** What an attempt came to, up to the head of its answer. */
export type UpstreamOutcome =
  | "ok"
  | "refused"
  | "rate_limited"
  | "server_error"
  | "connect_failed"
  | "timed_out"
  | "aborted"
  | "broken";

/** Is told of every attempt; must not throw. */
export interface UpstreamObserver {
  /** @param again whether it was not the first attempt of its call */
  upstreamAnswered(upstream: string, outcome: UpstreamOutcome, again: boolean): void;
}

/** Makes the calls. One for a gateway: it remembers what upstreams do not support. */
export class UpstreamClient {
  readonly #transport: UpstreamTransport;
  readonly #demo: UpstreamTransport;
  readonly #clock: Clock;
  readonly #observer: UpstreamObserver | null;
  readonly #random: () => number;
  readonly #unsupported: UnsupportedParameters = new UnsupportedParameters();
  readonly #urls: WeakMap<Upstream, URL> = new WeakMap();

  /** @param demo reaches the built-in model */
  constructor(
    transport: UpstreamTransport,
    demo: UpstreamTransport,
    clock: Clock,
    observer: UpstreamObserver | null = null,
    random: () => number = Math.random,
  ) {
    this.#observer = observer;
    this.#transport = transport;
    this.#demo = demo;
    this.#clock = clock;
    this.#random = random;
  }

  /** Calls until there is an answer, or no more attempts. Rejects only with what `renew` rejects with. */
  async call(first: Lease, call: UpstreamCall): Promise<UpstreamAnswer | UpstreamRefusal> {
    const { upstream, upstreamName } = call.model;
    let lease = first;
    let attempts = 0;
    let waited = 0;
    const tried = new Set<string>();
    while (true) {
      attempts++;
      const chat = this.#unsupported.apply(upstream.name, upstreamName, call.body(lease), tried);
      const result = await this.#attempt(call, chat);
      this.#observer?.upstreamAnswered(upstream.name, outcomeOf(result), attempts > 1);
      if ("reply" in result) {
        // Only now: an error may quote the client, and what it says must not change the requests of others.
        for (const name of tried) this.#unsupported.learn(upstream.name, upstreamName, name);
        return { ok: true, lease, reply: result.reply, attempts };
      }
      const { failure } = result;
      const parameter = tried.size < MAX_TRIED ? this.#unsupported.named(failure, chat) : null;
      if (parameter !== null && !tried.has(parameter) && !isSecondCap(parameter, tried)) {
        tried.add(parameter);
        continue;
      }
      const retry = decideRetry(failure, attempts - tried.size, waited, this.#random());
      const billed = maybeBilled(failure);
      if (retry === null) return { ok: false, lease, failure, billed, attempts };
      try {
        await this.#clock.sleep(retry.delayMs, abortSignalOf(call.signal));
      } catch {
        const error = abortedError("connect", call.signal.reason);
        return { ok: false, lease, failure: { kind: "network", error }, billed, attempts };
      }
      waited += retry.delayMs;
      if (retry.lease === "new") lease = await call.renew(lease);
    }
  }

  async #attempt(
    call: UpstreamCall,
    chat: UpstreamBody,
  ): Promise<{ reply: TransportReply } | { failure: UpstreamFailure }> {
    const { upstream } = call.model;
    const attempt = new Lifetime();
    let stalled = false;
    const stop = (): void => attempt.abort(call.signal.reason);
    if (call.signal.aborted) stop();
    call.signal.addEventListener("abort", stop, { once: true });
    const cancelTimer = this.#clock.after(call.idleTimeoutMs, () => {
      stalled = true;
      attempt.abort(new Error("no answer"));
    });
    try {
      const transport = upstream.baseUrl === null ? this.#demo : this.#transport;
      const reply = await transport.send({
        url: this.#urlOf(upstream),
        method: "POST",
        headers: headersFor(call, chat.stream),
        body: JSON.stringify(chat),
        signal: attempt,
        connectTimeoutMs: upstream.connectTimeoutMs,
      });
      if (reply.status >= 200 && reply.status < 300) return { reply: inflated(reply) };
      return { failure: await this.#httpFailure(inflated(reply)) };
    } catch (error) {
      return { failure: { kind: "network", error: networkError(error, stalled) } };
    } finally {
      cancelTimer();
    }
  }

  /** Parsed once for each configuration. */
  #urlOf(upstream: Upstream): URL {
    let url = this.#urls.get(upstream);
    if (url === undefined) {
      url = new URL(`${upstream.baseUrl ?? "http://synth-demo.invalid"}${PATHS[upstream.api]}`);
      this.#urls.set(upstream, url);
    }
    return url;
  }

  async #httpFailure(reply: TransportReply): Promise<UpstreamFailure> {
    const { status, headers } = reply;
    const body = await readText(reply.body, ERROR_BODY_BYTES, this.#clock, ERROR_BODY_MS);
    return { kind: "http", status, headers, body };
  }
}

/** An allow-list: nothing that the client sent goes to an upstream but what the translation put into the body. */
function headersFor(call: UpstreamCall, stream: boolean): Record<string, string> {
  const { upstream } = call.model;
  const headers: Record<string, string> = Object.fromEntries(upstream.headers);
  headers["content-type"] = "application/json";
  headers["accept"] = stream ? "text/event-stream" : "application/json";
  headers["accept-encoding"] = "identity";
  headers["user-agent"] = "synth-gateway";
  headers["x-request-id"] = call.requestId;
  if (call.traceParent !== null) headers["traceparent"] = call.traceParent;
  if (upstream.key !== null) headers["authorization"] = `Bearer ${upstream.key}`;
  return headers;
}

function outcomeOf(
  result: { reply: TransportReply } | { failure: UpstreamFailure },
): UpstreamOutcome {
  if ("reply" in result) return "ok";
  const { failure } = result;
  if (failure.kind === "http") {
    if (failure.status === 429) return "rate_limited";
    return failure.status >= 500 ? "server_error" : "refused";
  }
  const { kind, phase } = failure.error;
  if (kind === "aborted") return "aborted";
  if (kind === "timeout") return "timed_out";
  return phase === "connect" ? "connect_failed" : "broken";
}

function networkError(error: unknown, stalled: boolean): TransportError {
  if (!(error instanceof TransportError)) {
    return new TransportError("the upstream call failed", {
      phase: "sent",
      kind: "protocol",
      cause: error,
    });
  }
  if (!stalled) return error;
  return new TransportError("the upstream did not answer in time", {
    phase: error.phase,
    kind: "timeout",
    cause: error,
  });
}
