import * as z from "zod";

/** An object whose members are the application's own. */
export type FreeObject = { [key: string]: unknown };

/** Any object that is not an array. */
export const FreeObjectSchema: z.ZodType<FreeObject, FreeObject> = z.looseObject({});

/** An object that may be absent or null, and is empty then. */
export const OptionalFreeObjectSchema: z.ZodType<FreeObject, FreeObject | null | undefined> =
  FreeObjectSchema.nullish().transform(orEmpty);

function orEmpty(value: FreeObject | null | undefined): FreeObject {
  return value ?? {};
}
