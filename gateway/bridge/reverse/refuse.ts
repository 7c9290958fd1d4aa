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
 * Refuses what names something that is kept at the upstream. Its one account serves all orgs, so that an id would work for whoever knows it. Ids of responses and of
 * their items are ours, and looked up here.
 *
 * @throws {SynthError} 400 `unsupported_parameter`
 */
export function refuseStoredIds(asked: ResponsesRequest): void {
  for (const field of ["conversation", "prompt"] as const) {
    if ((asked[field] ?? null) !== null) throw storedId(field, `'${field}'`);
  }
  if (Array.isArray(asked.input)) {
    asked.input.forEach((item, at) => {
      const parts = [
        (item as { content?: unknown }).content,
        (item as { output?: unknown }).output,
      ];
      if (parts.some(namesFile)) throw storedId(`input[${at}]`, "A file_id");
    });
  }
  asked.tools?.forEach((tool, at) => {
    const named = ACCOUNT_IDS.find((field) => isNamed((tool as Record<string, unknown>)[field]));
    if (named !== undefined) throw storedId(`tools[${at}].${named}`, `'${named}'`);
  });
}

/** Members of hosted tools that name files, containers or stores of the account. */
const ACCOUNT_IDS = ["container", "vector_store_ids", "file_ids"] as const;

/** A container that is described, not named, is made anew and belongs to nobody else; files that it takes along are not. */
function isNamed(value: unknown): boolean {
  if (value === null || value === undefined) return false;
  if (typeof value !== "object" || Array.isArray(value)) return true;
  return ["file_ids", "file_id"].some((key) => isNamed((value as Record<string, unknown>)[key]));
}

function namesFile(content: unknown): boolean {
  return Array.isArray(content) &&
    content.some((part) => isNamed((part as { file_id?: unknown } | null)?.file_id));
}

function storedId(param: string, what: string): SynthError {
  return new SynthError(`${what} is not served for this model`, {
    code: "unsupported_parameter",
    status: 400,
    param,
    hint: "Send the items themselves as input: nothing is kept at this model's upstream",
  });
}
