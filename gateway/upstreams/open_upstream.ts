/** Admission and the call of the upstream, in the one order in which they may happen. @module */
import { SynthError } from "@synth/core";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import type { AdmissionRequest } from "../sessions/admission.ts";
import type { Lease } from "../sessions/lease.ts";
import { settledInTime } from "../sessions/settled_in_time.ts";
import { traceParentFor } from "../telemetry/telemetry.ts";
import { failureError } from "./failure_error.ts";
import { idleTimeoutMs } from "./idle_timeout.ts";
import type { TransportReply } from "./transport.ts";
import type { UpstreamBody } from "./upstream_body.ts";

/** An upstream that answers, or the error to give. `headers` go into either answer. */
export type Opened =
  & { readonly headers: Readonly<Record<string, string>> }
  & (
    | { readonly ok: true; readonly lease: Lease; readonly reply: TransportReply }
    | { readonly ok: false; readonly error: SynthError }
  );

/**
 * Reserves, then calls. What failed is charged or given back before this returns.
 *
 * @param bodyFor what to send under a lease
 * @throws {SynthError} when admission refuses
 */
export async function openUpstream(
  context: RequestContext,
  services: Services,
  asked: AdmissionRequest,
  bodyFor: (lease: Lease) => UpstreamBody,
): Promise<Opened> {
  const { admission, upstreams } = services;
  const request = { ...asked, waitUntil: context.waitUntil, fields: context.fields };
  const { model } = request;
  const { gateway } = context.snapshot.config;
  context.fields["model"] = model.name.slice(0, 256);
  context.fields["upstream"] = model.upstream.name;
  context.fields["stream"] = request.stream;
  // Once for all models that are tried; it ends with the request, however that ends.
  if (request.stream) context.releaseStream ??= services.rates.openStream(context.principal);
  const { lease: first, headers } = await admission.admit(request);
  context.model = model;
  services.telemetry.begin(context, model, request.stream);
  const stopWatching = watchClient(context);
  try {
    context.limit(request.deadlineMs, deadlineError);
    const result = await upstreams.call(first, {
      model,
      body: bodyFor,
      renew: (lease) => admission.renew(lease, request),
      requestId: context.id,
      traceParent: traceParentFor(context, model),
      signal: context.signal,
      // An answer that is not streamed comes when all of it is there.
      idleTimeoutMs: request.chat.stream
        ? idleTimeoutMs(gateway, model.upstream.profile)
        : request.deadlineMs,
    });
    if (result.attempts > 1) context.fields["attempts"] = result.attempts;
    if (result.ok) return { ok: true, lease: result.lease, reply: result.reply, headers };
    const { failure } = result;
    if (failure.kind === "http") context.fields["upstream_status"] = failure.status;
    else context.fields["upstream_failure"] = `${failure.error.phase} ${failure.error.kind}`;
    const { lease, billed } = result;
    await settledInTime(context, billed ? admission.charge(lease) : admission.release(lease));
    return { ok: false, error: failureError(failure, model.upstream), headers };
  } catch (error) {
    // Neither an answer nor a failure of the upstream: a refused renewal, or a bug. Nobody else holds the lease.
    await settledInTime(context, admission.charge(first));
    throw error;
  } finally {
    stopWatching();
  }
}

/** Until the upstream has answered, the request's signal tells that the client is gone; after that its stream does. */
export function watchClient(
  context: RequestContext,
  signal: AbortSignal = context.request.signal,
): () => void {
  const onAbort = (): void => context.abort(clientGone());
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  return () => signal.removeEventListener("abort", onAbort);
}

function clientGone(): SynthError {
  return new SynthError("The client closed the connection", {
    code: "client_closed_request",
    status: 499,
  });
}

function deadlineError(): SynthError {
  return new SynthError("The request took longer than its time limit", {
    code: "request_deadline_exceeded",
    status: 504,
    hint: "The operator can raise [gateway] request_deadline_s",
  });
}
