/** The part of the description that is about stored responses. @module */
import type { Json } from "@synth/core";
import { CompactSchema, ToolOutputsSchema } from "@synth/core/api";

type JsonObject = { [key: string]: Json };

/** The schemas that {@linkcode responsePaths} refers to. */
export const RESPONSE_SCHEMAS = {
  CompactRequest: CompactSchema,
  ToolOutputsRequest: ToolOutputsSchema,
} as const;

const ANY: JsonObject = { "application/json": { schema: { type: "object" } } };
const EVENTS: JsonObject = { "text/event-stream": { schema: { type: "string" } } };
const ID: JsonObject = { name: "id", in: "path", required: true, schema: { type: "string" } };

/** The paths. @param protectedRoute adds security and refusals */
export function responsePaths(
  protectedRoute: (operation: JsonObject, success: JsonObject) => JsonObject,
): JsonObject {
  const one = (
    summary: string,
    success: string,
    more: JsonObject = {},
    content: JsonObject = ANY,
  ): JsonObject => {
    const operation = protectedRoute(
      { summary, parameters: [ID], ...more },
      { description: success, content },
    );
    const missing: JsonObject = {
      description: "There is no such response",
      content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
    };
    return { ...operation, responses: { ...operation["responses"] as JsonObject, 404: missing } };
  };
  const query = (name: string, schema: JsonObject): JsonObject => ({ name, in: "query", schema });
  return {
    "/v1/responses/{id}": {
      get: one("Get a stored response", "The response"),
      delete: one("Delete a stored response", "It is deleted"),
    },
    "/v1/responses/{id}/input_items": {
      get: one("List the input items of a stored response", "A page of them", {
        parameters: [
          ID,
          query("limit", { type: "integer", minimum: 1, maximum: 100, default: 20 }),
          query("order", { type: "string", enum: ["asc", "desc"], default: "desc" }),
          query("after", { type: "string" }),
        ],
      }),
    },
    "/v1/responses/{id}/cancel": {
      post: one("Cancel a background response", "Never: there are no background responses"),
    },
    "/v1/responses/{id}/submit_tool_outputs": {
      post: one(
        "Go on from a response with the outputs of its calls",
        "A new response, or its events",
        {
          description: "Not an OpenAI endpoint. With an `Idempotency-Key` the same body gets the " +
            "same response. 409 when the response takes no outputs.",
          requestBody: bodyOf("ToolOutputsRequest"),
        },
        { ...ANY, ...EVENTS },
      ),
    },
    "/v1/responses/compact": {
      post: protectedRoute({
        summary: "Compact a conversation into one sealed item",
        requestBody: bodyOf("CompactRequest"),
      }, { description: "The compaction", content: ANY }),
    },
    "/v1/responses/input_tokens": {
      post: protectedRoute({
        summary: "Estimate the tokens of an input",
        requestBody: bodyOf("ResponsesRequest"),
      }, { description: "The estimate", content: ANY }),
    },
  };
}

function bodyOf(name: string): JsonObject {
  return {
    required: true,
    content: { "application/json": { schema: { $ref: `#/components/schemas/${name}` } } },
  };
}
