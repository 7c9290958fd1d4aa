/** A Chat answer that is one JSON body. @module */
import { SynthError } from "@synth/core";
import { asFields, asText, type Fields } from "../bridge/chat_chunk.ts";
import { endingOf, serverError } from "../bridge/stream/terminal.ts";
import { usageBeside, UsageMeter } from "../bridge/stream/usage.ts";
import { upstreamBodyError } from "../bridge/upstream_error.ts";
import { utf8Length } from "../bridge/stream/utf8_length.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import type { AdmissionRequest } from "../sessions/admission.ts";
import type { Lease } from "../sessions/lease.ts";
import { settledInTime } from "../sessions/settled_in_time.ts";
import { failedResponseError } from "../turn/turn_error.ts";
import { watchClient } from "../upstreams/open_upstream.ts";
import { lateBody } from "../upstreams/late_body.ts";
import { readTextInTime } from "../upstreams/read_text.ts";
import type { TransportReply } from "../upstreams/transport.ts";
import { withoutKey } from "../upstreams/without_key.ts";

const MAX_BODY_BYTES = 32 * 1024 * 1024;

/**
 * Reads and settles it. `error`: what the body says, or 502 `upstream_invalid_answer`.
 */
export async function wholeChat(
  context: RequestContext,
  services: Services,
  lease: Lease,
  reply: TransportReply,
  request: AdmissionRequest,
): Promise<{ body: Fields } | { error: SynthError }> {
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
    (body === null ? late ? lateBody() : unreadable() : upstreamBodyError(body) ?? noAnswer(body));
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
    return { error: error ?? unreadable() };
  }
  const meter = new UsageMeter();
  meter.take(body.usage);
  const outputBytes = utf8Length(JSON.stringify(body.choices ?? null));
  const usage = meter.read({ input: request.inputBytes, output: outputBytes, reasoning: 0 });
  context.fields["outcome"] = "completed";
  context.fields["input_tokens"] = usage.inputTokens;
  context.fields["output_tokens"] = usage.outputTokens;
  await settledInTime(context, services.admission.settle(lease, { usage, outputBytes }));
  return { body };
}

function parsed(text: string): Fields | null {
  try {
    return asFields(JSON.parse(text));
  } catch {
    return null;
  }
}

/** A body without a choice says nothing, and one whose only word is that the model broke says less. */
function noAnswer(body: Fields): SynthError | null {
  const choices = Array.isArray(body.choices) ? body.choices.map(asFields) : [];
  if (choices.length === 0) {
    return failedResponseError(serverError("The upstream answered nothing"));
  }
  for (const choice of choices) {
    const finish = asText(choice?.finish_reason);
    const ending = finish === ""
      ? null
      : endingOf({ end: "done", error: undefined, finish, any: true });
    if (ending?.kind === "failed") return failedResponseError(ending.error);
  }
  return null;
}

function unreadable(): SynthError {
  return new SynthError("The upstream's answer is not a JSON object", {
    code: "upstream_invalid_answer",
    status: 502,
    type: "server_error",
  });
}
