import { type Json, SynthError } from "@synth/core";
import type { ResponsesRequest } from "@synth/core/api";
import type { UpstreamProfile } from "../profile.ts";

/** How the shape of the text is asked for. */
export interface FormatChoice {
  readonly responseFormat: Json | undefined;
  /** Text for the system message, where the upstream cannot be told otherwise. */
  readonly hint: string | null;
  /** Whether the text must be JSON. */
  readonly isJson: boolean;
}

/**
 * Translates `text.format`.
 *
 * @throws {SynthError} 400 `missing_required_parameter` for a schema without name or schema
 */
export function responseFormat(body: ResponsesRequest, profile: UpstreamProfile): FormatChoice {
  const format = body.text?.format;
  if (format === null || format === undefined || format.type === "text") {
    return { responseFormat: undefined, hint: null, isJson: false };
  }
  if (format.type === "json_object") {
    return !profile.jsonObject
      ? {
        responseFormat: undefined,
        hint: "Answer with one JSON object and nothing else.",
        isJson: true,
      }
      : { responseFormat: { type: "json_object" }, hint: null, isJson: true };
  }
  const { name, schema, description, strict } = format;
  if (name === null || name === undefined) throw missing("text.format.name");
  if (schema === null || schema === undefined) throw missing("text.format.schema");
  if (profile.jsonSchema === "native") {
    return {
      responseFormat: {
        type: "json_schema",
        json_schema: {
          name,
          ...(typeof description === "string" ? { description } : {}),
          schema: schema as Json,
          ...(typeof strict === "boolean" ? { strict } : {}),
        },
      },
      hint: null,
      isJson: true,
    };
  }
  const about = typeof description === "string" && description !== "" ? ` (${description})` : "";
  return {
    responseFormat: profile.jsonSchema === "hint" ? undefined : { type: "json_object" },
    hint:
      `Answer with one JSON value and nothing else. It must match this JSON Schema '${name}'${about}:\n${
        JSON.stringify(schema)
      }`,
    isJson: true,
  };
}

function missing(param: string): SynthError {
  return new SynthError(`Missing required parameter: '${param}'`, {
    code: "missing_required_parameter",
    status: 400,
    param,
  });
}
