import * as z from "zod";
import type { ErrorBody, Json } from "../errors.ts";

/** The body of every error answer. Members beside the four depend on `code`. */
export const ErrorSchema: z.ZodType<ErrorBody> = z.object({
  error: z.object({
    type: z.string(),
    code: z.string(),
    message: z.string(),
    param: z.string().nullable(),
    // What was parsed from JSON is JSON; a recursive schema cannot be described.
  }).catchall(z.unknown() as z.ZodType<Json>),
});
