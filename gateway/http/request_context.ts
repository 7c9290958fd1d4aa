/** What every handler is given: the request, its id, the snapshot it runs on, and what its log line will say. @module */
import { type Clock, type Json, newId } from "@synth/core";
import type { Principal } from "@synth/core/auth";
import type { Snapshot } from "../snapshot.ts";

const SANE_ID = /^[A-Za-z0-9._:-]{1,128}$/;
const TRACE_ID = /^(?:trace|cid|eval)_[A-Za-z0-9._-]{1,128}$/;

/** One request on its way through the gateway. */
export class RequestContext {
  readonly request: Request;
  readonly url: URL;
  /** Ours, in every answer as `x-request-id`. A client's own id is only logged. */
  readonly id: string = newId("req_");
  /** The configuration this request began with; a reload does not change it. */
  readonly snapshot: Snapshot;
  readonly clock: Clock;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  /** Path parameters. */
  readonly params: ReadonlyMap<string, string>;
  /** Members of the log line; never a secret, never content. */
  readonly fields: Record<string, Json> = {};
  #principal: Principal | null = null;

  constructor(
    request: Request,
    url: URL,
    params: ReadonlyMap<string, string>,
    snapshot: Snapshot,
    clock: Clock,
  ) {
    this.request = request;
    this.url = url;
    this.params = params;
    this.snapshot = snapshot;
    this.clock = clock;
    this.startedAt = clock.monotonic();
    const theirs = request.headers.get("x-request-id") ??
      request.headers.get("x-client-request-id");
    if (theirs !== null && SANE_ID.test(theirs)) this.fields["client_request_id"] = theirs;
    const trace = params.get("trace") ?? url.searchParams.get("cid");
    if (trace !== null && trace !== undefined && TRACE_ID.test(trace)) {
      this.fields["trace_id"] = trace;
    }
  }

  /** Who asks. Throws a plain error on a route without authentication: a bug of ours. */
  get principal(): Principal {
    if (this.#principal === null) throw new Error("this route has no principal");
    return this.#principal;
  }

  set principal(principal: Principal) {
    this.#principal = principal;
  }
}
