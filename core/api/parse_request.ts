import type { z } from "zod";
import { SynthError } from "../errors.ts";
import { requestError } from "./responses_issue.ts";

/**
 * Checks a parsed JSON body against a schema.
 *
 * @param fields the names that a typing error can be near to
 * @throws {SynthError} 400 with the path of the field in `param`; `invalid_limit` for a fault inside of `limits`
 */
export function parseRequest<T>(
  schema: z.ZodType<T>,
  body: unknown,
  fields: readonly string[] = [],
): T {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new SynthError("The body must be a JSON object", { code: "invalid_type", status: 400 });
  }
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const error = requestError(result.error, body, fields);
  const issue = result.error.issues[0];
  if (issue?.path[0] !== "limits" || issue.path.length < 2) throw error;
  const at = `limits[${String(issue.path[1])}]`;
  const { param, hint } = error;
  throw new SynthError(error.message, {
    code: "invalid_limit",
    status: 400,
    param: param !== null && param.startsWith("limits") ? param : `${at}.${param ?? ""}`,
    ...(hint === undefined ? {} : { hint }),
  });
}
