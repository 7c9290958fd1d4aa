import { SynthError } from "@synth/core";
import type { ResponsesRequest } from "@synth/core/api";

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

/**
 * Refuses what names something that is kept at the upstream. Its one account serves all orgs, so that an id would work for whoever knows it.
 *
 * @throws {SynthError} 400 `unsupported_parameter`
 */
export function refuseStoredIds(asked: ResponsesRequest): void {
  for (const field of ["previous_response_id", "conversation"] as const) {
    if ((asked[field] ?? null) !== null) throw storedId(field, `'${field}'`);
  }
  if (!Array.isArray(asked.input)) return;
  const at = asked.input.findIndex((item) => item.type === "item_reference");
  if (at >= 0) throw storedId(`input[${at}]`, "An item_reference");
}

function storedId(param: string, what: string): SynthError {
  return new SynthError(`${what} is not served for this model`, {
    code: "unsupported_parameter",
    status: 400,
    param,
    hint: "Send the items themselves as input: nothing is kept at this model's upstream",
  });
}
