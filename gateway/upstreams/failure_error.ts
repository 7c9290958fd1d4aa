/** The last failure of a call as the answer that the client gets, when nothing was sent to it yet. @module */
import { SynthError } from "@synth/core";
import { upstreamHttpError } from "../bridge/upstream_error.ts";
import type { UpstreamFailure } from "./retry.ts";
import type { Upstream } from "./upstream.ts";
import { withoutKey } from "./without_key.ts";

/** Header names whose values are secrets, such as `api-key`. */
const SECRET_HEADER = /key|token|secret|auth|password|credential/i;

/**
 * The answer. 4xx of the upstream stay 4xx, what the client cannot mend is 502 or 504.
 *
 * @param upstream its key, and secrets in its headers, are masked: some servers quote them
 */
export function failureError(
  failure: UpstreamFailure,
  upstream: Pick<Upstream, "key" | "headers">,
): SynthError {
  if (failure.kind === "http") {
    if (failure.status >= 300 && failure.status < 400) {
      return new SynthError("The upstream answered with a redirect, which is never followed", {
        code: "upstream_redirect",
        status: 502,
        hint: "The operator must put the final URL into base_url",
      });
    }
    let body = withoutKey(failure.body, upstream.key);
    for (const [name, value] of upstream.headers) {
      if (SECRET_HEADER.test(name)) body = withoutKey(body, value);
    }
    return upstreamHttpError({ ...failure, body });
  }
  const { error } = failure;
  if (error.kind === "aborted" && error.cause instanceof SynthError) return error.cause;
  const late = error.kind === "timeout" || error.phase === "connect";
  return new SynthError(error.message.charAt(0).toUpperCase() + error.message.slice(1), {
    code: error.kind === "timeout" ? "upstream_timeout" : "upstream_unreachable",
    status: late ? 504 : 502,
    type: "server_error",
    cause: error,
  });
}
