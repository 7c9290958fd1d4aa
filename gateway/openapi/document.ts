/** The description of the API as an OpenAPI 3.1 document, whose schemas are made from those that bodies are checked with. @module */
import type { Json } from "@synth/core";
import {
  ChatCompletionsSchema,
  ErrorSchema,
  HealthSchema,
  ModelListSchema,
  ModelSchema,
  ResponsesRequestSchema,
} from "@synth/core/api";
import * as z from "zod";
import { REGISTRY_SCHEMAS, registryPaths } from "./registry_paths.ts";
import { RESPONSE_SCHEMAS, responsePaths } from "./response_paths.ts";
import { SESSION_SCHEMAS, sessionPaths } from "./session_paths.ts";
import { TUNNEL_SCHEMAS, tunnelPaths } from "./tunnel_paths.ts";

const SCHEMAS = {
  ResponsesRequest: ResponsesRequestSchema,
  ChatCompletionsRequest: ChatCompletionsSchema,
  Model: ModelSchema,
  ModelList: ModelListSchema,
  Health: HealthSchema,
  Error: ErrorSchema,
  ...RESPONSE_SCHEMAS,
  ...SESSION_SCHEMAS,
  ...REGISTRY_SCHEMAS,
  ...TUNNEL_SCHEMAS,
} as const;

type SchemaName = keyof typeof SCHEMAS;
type JsonObject = { [key: string]: Json };

/** Why a request is refused. */
const REFUSALS: readonly [number, string][] = [
  [400, "The request cannot be carried out as it is"],
  [401, "No key, or one that is not valid"],
  [403, "The key lacks a scope"],
  [408, "The body did not arrive in time"],
  [413, "The body is too large"],
  [415, "The body's Content-Encoding is not supported"],
  [429, "A limit is reached, here or at the upstream"],
  [502, "The upstream failed"],
  [503, "The gateway is stopping, or its store cannot be reached"],
  [504, "The upstream did not answer in time"],
];

const ALIASES = "The same under `/api/v1`, `/api/synth-research` and `/api/synth-research/v1`; " +
  "a trace id may come as `?cid=` or as a path segment before the last ones.";

/** The document. */
export function openApiDocument(version: string): JsonObject {
  return {
    openapi: "3.1.0",
    info: { title: "synth gateway", version },
    paths: paths(),
    components: {
      schemas: Object.fromEntries(
        Object.entries(SCHEMAS).map(([name, schema]) => [name, described(schema)]),
      ),
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer" },
        apiKey: { type: "apiKey", in: "header", name: "x-api-key" },
      },
    },
  };
}

function webSocket(): JsonObject {
  const operation = protectedRoute({
    summary: "Create responses over a WebSocket",
    description: "With `Upgrade: websocket`. Each text frame is a ResponsesRequest with `type: " +
      '"response.create"`; each event of its stream comes back as one frame, an error as ' +
      '`{"type":"error","status":...,"error":{...}}`. 426 where WebSockets are not served.',
  }, {});
  const { 200: _, ...refusals } = operation["responses"] as JsonObject;
  return {
    ...operation,
    responses: { 101: { description: "The connection is open" }, ...refusals },
  };
}

function paths(): JsonObject {
  const events = { "text/event-stream": { schema: { type: "string" } } };
  const any = { "application/json": { schema: { type: "object" } } };
  return {
    "/v1/responses": {
      post: protectedRoute({
        summary: "Create a response",
        description: `OpenAI's Responses API, on models that speak Chat Completions. ${ALIASES}`,
        requestBody: { required: true, content: jsonOf("ResponsesRequest") },
      }, { description: "The response, or its events", content: { ...any, ...events } }),
      get: webSocket(),
    },
    "/v1/chat/completions": {
      post: protectedRoute({
        summary: "Create a chat completion",
        description: `Passed on to the upstream of the model. ${ALIASES}`,
        requestBody: { required: true, content: jsonOf("ChatCompletionsRequest") },
      }, { description: "The completion, or its chunks", content: { ...any, ...events } }),
    },
    "/v1/models": {
      get: protectedRoute({
        summary: "List models",
        description: "Models that are configured as a pattern are not listed.",
      }, { description: "The models", content: jsonOf("ModelList") }),
    },
    "/v1/models/{id}": {
      get: protectedRoute({
        summary: "Get a model",
        parameters: [{ name: "id", in: "path", required: true, schema: { type: "string" } }],
      }, { description: "The model", content: jsonOf("Model") }),
    },
    "/health": {
      get: {
        summary: "Whether the gateway and its store work",
        responses: {
          200: { description: "They do", content: jsonOf("Health") },
          503: {
            description: "The store cannot be reached, or the gateway stops",
            content: jsonOf("Health"),
          },
        },
      },
    },
    "/metrics": {
      get: protectedRoute({
        summary: "The gateway's counters, for Prometheus",
        description: "Needs the scope `admin`, and no key at all from the gateway's own machine.",
      }, {
        description: "Text format 0.0.4",
        content: { "text/plain": { schema: { type: "string" } } },
      }),
    },
    "/admin/reload": {
      post: protectedRoute({
        summary: "Read the configuration again",
        description: "Needs the scope `admin`. A bad configuration is refused with 422, and the " +
          "old one stays in force.",
      }, { description: "The new configuration is in force", content: any }),
    },
    ...responsePaths(protectedRoute),
    ...sessionPaths(protectedRoute),
    ...registryPaths(protectedRoute),
    ...tunnelPaths(protectedRoute),
  };
}

function protectedRoute(operation: JsonObject, success: JsonObject): JsonObject {
  const refusals = REFUSALS.map(([status, description]) => [
    String(status),
    { description, content: jsonOf("Error") },
  ]);
  return {
    ...operation,
    security: [{ bearer: [] }, { apiKey: [] }],
    responses: { 200: success, ...Object.fromEntries(refusals) },
  };
}

function jsonOf(name: SchemaName): JsonObject {
  return { "application/json": { schema: { $ref: `#/components/schemas/${name}` } } };
}

function described(schema: z.ZodType): JsonObject {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  return rest as JsonObject;
}
