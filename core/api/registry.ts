/** Running task apps that announced themselves, on the wire. @module */
import * as z from "zod";

/** What a task app says of itself, again and again while it runs. */
export interface AnnouncementRequest {
  /** Where it is reached: http or https, without a user, query or fragment. */
  url: string;
  /** For people; at most 200 characters. */
  name?: string | null | undefined;
  version?: string | null | undefined;
  dataset_id?: string | null | undefined;
  /** Through which tunnel the URL leads; absent: through none. */
  tunnel_mode?: "quick" | "managed" | null | undefined;
  /** Which process says so, made by it: 1 to 64 of `[A-Za-z0-9_-]`. One that stops takes only its own entry away. */
  instance_id?: string | null | undefined;
  /** Seconds until it is forgotten unless it says so again; 10 to 3600. @default {90} */
  ttl_seconds?: number | null | undefined;
}

/** An entry of the registry. */
export interface RegisteredTaskApp {
  app_id: string;
  url: string;
  name: string | null;
  version: string | null;
  dataset_id: string | null;
  tunnel_mode: "quick" | "managed" | null;
  instance_id: string | null;
  /** ISO 8601: when this instance announced itself first. */
  registered_at: string;
  /** ISO 8601 */
  last_seen_at: string;
  /** ISO 8601 */
  expires_at: string;
}

/** Entry that was taken away. */
export interface RemovedTaskApp {
  app_id: string;
  removed: boolean;
}

const Mode = z.enum(["quick", "managed"]);

/** See {@linkcode AnnouncementRequest}. */
export const AnnouncementRequestSchema: z.ZodType<AnnouncementRequest> = z.strictObject({
  url: z.string().min(1).max(2048),
  name: z.string().max(200).nullish(),
  version: z.string().max(100).nullish(),
  dataset_id: z.string().max(200).nullish(),
  tunnel_mode: Mode.nullish(),
  instance_id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/).nullish(),
  ttl_seconds: z.int().min(10).max(3600).nullish(),
});

/** See {@linkcode RegisteredTaskApp}. */
export const RegisteredTaskAppSchema: z.ZodType<RegisteredTaskApp> = z.object({
  app_id: z.string(),
  url: z.string(),
  name: z.string().nullable(),
  version: z.string().nullable(),
  dataset_id: z.string().nullable(),
  tunnel_mode: Mode.nullable(),
  instance_id: z.string().nullable(),
  registered_at: z.string(),
  last_seen_at: z.string(),
  expires_at: z.string(),
});

/** See {@linkcode RemovedTaskApp}. */
export const RemovedTaskAppSchema: z.ZodType<RemovedTaskApp> = z.object({
  app_id: z.string(),
  removed: z.boolean(),
});
