/** Compares a response with what a scripted case must give. @module */
import { isRecord, type Rec } from "./response_shape.ts";
import { describeOutput, type Expectation } from "./scripted_cases.ts";

/** What differs from the expectation, in words; empty when nothing does. */
export function compareResponse(expected: Expectation, response: Rec): string[] {
  const problems: string[] = [];
  const same = (what: string, actual: unknown, wanted: unknown): void => {
    if (wanted === undefined || JSON.stringify(actual) === JSON.stringify(wanted)) return;
    problems.push(`${what} is ${JSON.stringify(actual)}, expected ${JSON.stringify(wanted)}`);
  };
  const member = (value: unknown, key: string): unknown => isRecord(value) ? value[key] : null;
  same("status", response.status, expected.status);
  same("output", describeOutput(response.output), expected.output);
  same("reason", member(response.incomplete_details, "reason") ?? undefined, expected.reason);
  same("error code", member(response.error, "code") ?? undefined, expected.code);
  const usage = response.usage;
  if (expected.usage === undefined) return problems;
  same("usage", [
    member(usage, "input_tokens"),
    member(usage, "output_tokens"),
    member(member(usage, "input_tokens_details"), "cached_tokens"),
    member(member(usage, "output_tokens_details"), "reasoning_tokens"),
  ], expected.usage);
  return problems;
}

/** What is wrong with an error answer: its status, its code, its body. */
export function compareError(expected: Expectation, status: number, body: unknown): string[] {
  const problems: string[] = [];
  const wanted = expected.http ?? 502;
  if (status !== wanted) problems.push(`HTTP status is ${status}, expected ${wanted}`);
  const error = isRecord(body) ? body.error : undefined;
  if (!isRecord(error)) return [...problems, `the body is no error: ${JSON.stringify(body)}`];
  for (const key of ["type", "code", "message"]) {
    if (typeof error[key] !== "string") problems.push(`error.${key} is no string`);
  }
  if (!("param" in error)) problems.push("error.param is missing");
  const code = expected.status === "http" ? expected.code : expected.unaryCode;
  if (code !== undefined && error.code !== code) {
    problems.push(`error.code is ${String(error.code)}, expected ${code}`);
  }
  return problems;
}
