/** A Chat answer that is one JSON body. @module */
import { SynthError } from "@synth/core";
import { asFields, type Fields } from "../bridge/chat_chunk.ts";
import { usageBeside, UsageMeter } from "../bridge/stream/usage.ts";
import { upstreamBodyError } from "../bridge/upstream_error.ts";
import { utf8Length } from "../bridge/stream/utf8_length.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import type { AdmissionRequest } from "../sessions/admission.ts";
import type { Lease } from "../sessions/lease.ts";
import { settledInTime } from "../sessions/settled_in_time.ts";
import { watchClient } from "../upstreams/open_upstream.ts";
import { withoutKey } from "../upstreams/failure_error.ts";
import { lateBody } from "../upstreams/late_body.ts";
import { readTextInTime } from "../upstreams/read_text.ts";
import type { TransportReply } from "../upstreams/transport.ts";

const MAX_BODY_BYTES = 32 * 1024 * 1024;

/**
 * Reads and settles it.
 *
 * @throws {SynthError} what the body says, or 502 `upstream_invalid_answer`
 */
export async function wholeChat(
  context: RequestContext,
  services: Services,
  lease: Lease,
  reply: TransportReply,
  request: AdmissionRequest,
): Promise<Fields> {
  const stopWatching = watchClient(context);
  const { text: raw, late } = await readTextInTime(
    reply.body,
    MAX_BODY_BYTES,
    services.clock,
    request.deadlineMs,
  );
  stopWatching();
  const body = parsed(withoutKey(raw, request.model.upstream.key));
  const error = context.abortReason ??
    (body === null ? late ? lateBody() : unreadable() : upstreamBodyError(body));
  if (error !== null || body === null) {
    const refused = error !== null && error.status < 499;
    const { admission } = services;
    const usage = usageBeside(body);
    const end = usage !== null
      ? admission.settle(lease, { usage, outputBytes: 0 })
      : refused
      ? admission.release(lease)
      : admission.charge(lease);
    await settledInTime(context, end);
    throw error;
  }
  const meter = new UsageMeter();
  meter.take(body.usage);
  const outputBytes = utf8Length(JSON.stringify(body.choices ?? null));
  const usage = meter.read({ input: request.inputBytes, output: outputBytes, reasoning: 0 });
  context.fields["outcome"] = "completed";
  context.fields["input_tokens"] = usage.inputTokens;
  context.fields["output_tokens"] = usage.outputTokens;
  await settledInTime(context, services.admission.settle(lease, { usage, outputBytes }));
  return body;
}

function parsed(text: string): Fields | null {
  try {
    return asFields(JSON.parse(text));
  } catch {
    return null;
  }
}

function unreadable(): SynthError {
  return new SynthError("The upstream's answer is not a JSON object", {
    code: "upstream_invalid_answer",
    status: 502,
    type: "server_error",
  });
}
