import * as z from "zod";

/** The answer of `GET /health`. */
export interface Health {
  /** `degraded`: the store cannot be reached. `draining`: the gateway stops. The status is 503 then. */
  status: "ok" | "degraded" | "draining";
  version: string;
  /** `unknown` while the gateway stops: it is not asked any more. */
  store: "ok" | "unavailable" | "unknown";
}

/** See {@linkcode Health}. */
export const HealthSchema: z.ZodType<Health> = z.object({
  status: z.enum(["ok", "degraded", "draining"]),
  version: z.string(),
  store: z.enum(["ok", "unavailable", "unknown"]),
});
