import { SynthError } from "@synth/core";

/** The answer when a body began but did not end in time. */
export function lateBody(): SynthError {
  return new SynthError("The upstream stopped in the middle of its answer", {
    code: "upstream_timeout",
    status: 504,
    type: "server_error",
  });
}
