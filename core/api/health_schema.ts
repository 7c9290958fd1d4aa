import * as z from "zod";

/** The answer of `GET /health`. */
export interface Health {
  /** `degraded`: the store cannot be reached; the status is 503 then. */
  status: "ok" | "degraded";
  version: string;
  store: "ok" | "unavailable";
}

/** See {@linkcode Health}. */
export const HealthSchema: z.ZodType<Health> = z.object({
  status: z.enum(["ok", "degraded"]),
  version: z.string(),
  store: z.enum(["ok", "unavailable"]),
});
