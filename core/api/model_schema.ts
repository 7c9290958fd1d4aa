import * as z from "zod";

/** A model that can be asked for. */
export interface ModelObject {
  id: string;
  object: "model";
  /** Seconds since the epoch; 0: not known. */
  created: number;
  /** The upstream that serves it. */
  owned_by: string;
  /** Tokens; `null`: not known. */
  context_window: number | null;
  /** Tokens; `null`: not known. */
  max_output_tokens: number | null;
  description?: string | undefined;
}

/** The answer of `GET .../models`. */
export interface ModelList {
  object: "list";
  data: ModelObject[];
}

/** See {@linkcode ModelObject}. */
export const ModelSchema: z.ZodType<ModelObject> = z.object({
  id: z.string(),
  object: z.literal("model"),
  created: z.int(),
  owned_by: z.string(),
  context_window: z.int().nullable(),
  max_output_tokens: z.int().nullable(),
  description: z.string().optional(),
});

/** See {@linkcode ModelList}. */
export const ModelListSchema: z.ZodType<ModelList> = z.object({
  object: z.literal("list"),
  data: z.array(ModelSchema),
});
