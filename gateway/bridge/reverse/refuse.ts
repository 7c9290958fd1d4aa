import { SynthError } from "@synth/core";

/** The refusal of what the Responses API has nothing for: 400, naming the field. */
export function noEquivalent(param: string, what: string): SynthError {
  return new SynthError(`${what} is not served by this model's upstream`, {
    code: "unsupported_parameter",
    status: 400,
    param,
    hint: "Leave the field out: the upstream of this model speaks the Responses API",
  });
}

/** The refusal of what is no valid Chat request: 400, naming the field. */
export function invalid(param: string, message: string): SynthError {
  return new SynthError(message, { code: "invalid_value", status: 400, param });
}
