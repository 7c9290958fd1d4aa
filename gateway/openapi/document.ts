/** The description of the API as an OpenAPI 3.1 document. @module */
import { OpenAPIHono } from "@hono/zod-openapi";
import {
  ChatCompletionsSchema,
  ErrorSchema,
  HealthSchema,
  ModelListSchema,
  ModelSchema,
  ResponsesRequestSchema,
} from "@synth/core/api";
import { z } from "zod";

/** Why a request is refused, on every route that reads a body. */
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

type Content = { [type: string]: { schema: z.ZodType } };

/** Builds the document. */
export function openApiDocument(version: string): object {
  const host = new OpenAPIHono();
  const registry = host.openAPIRegistry;
  registry.registerComponent("securitySchemes", "bearer", { type: "http", scheme: "bearer" });
  registry.registerComponent("securitySchemes", "apiKey", {
    type: "apiKey",
    in: "header",
    name: "x-api-key",
  });
  const error = registry.register("Error", ErrorSchema);
  const schemas = {
    responses: registry.register("ResponsesRequest", ResponsesRequestSchema),
    chat: registry.register("ChatCompletionsRequest", ChatCompletionsSchema),
    model: registry.register("Model", ModelSchema),
    models: registry.register("ModelList", ModelListSchema),
    health: registry.register("Health", HealthSchema),
  };
  const security = [{ bearer: [] }, { apiKey: [] }];
  const answer = (description: string, content: Content) => ({
    200: { description, content },
    ...Object.fromEntries(REFUSALS.map(([status, why]) => [
      status,
      { description: why, content: { "application/json": { schema: error } } },
    ])),
  });
  const jsonOf = (schema: z.ZodType): Content => ({ "application/json": { schema } });
  const events: Content = {
    "application/json": { schema: z.looseObject({}) },
    "text/event-stream": { schema: z.string() },
  };
  registry.registerPath({
    method: "post",
    path: "/v1/responses",
    summary: "Create a response",
    description: `OpenAI's Responses API, on models that speak Chat Completions. ${ALIASES}`,
    security,
    request: { body: { required: true, content: jsonOf(schemas.responses) } },
    responses: answer("The response, or its events", events),
  });
  registry.registerPath({
    method: "post",
    path: "/v1/chat/completions",
    summary: "Create a chat completion",
    description: `Passed on to the upstream of the model. ${ALIASES}`,
    security,
    request: { body: { required: true, content: jsonOf(schemas.chat) } },
    responses: answer("The completion, or its chunks", events),
  });
  registry.registerPath({
    method: "get",
    path: "/v1/models",
    summary: "List models",
    description: "Models that are configured as a pattern are not listed.",
    security,
    responses: answer("The models", jsonOf(schemas.models)),
  });
  registry.registerPath({
    method: "get",
    path: "/v1/models/{id}",
    summary: "Get a model",
    security,
    request: { params: z.object({ id: z.string() }) },
    responses: answer("The model", jsonOf(schemas.model)),
  });
  registry.registerPath({
    method: "get",
    path: "/health",
    summary: "Whether the gateway and its store work",
    responses: {
      200: { description: "They do", content: jsonOf(schemas.health) },
      503: { description: "The store cannot be reached", content: jsonOf(schemas.health) },
    },
  });
  registry.registerPath({
    method: "post",
    path: "/admin/reload",
    summary: "Read the configuration again",
    description: "Needs the scope `admin`. A bad configuration is refused with 422 and the old " +
      "one stays in force.",
    security,
    responses: answer("The new configuration is in force", jsonOf(z.looseObject({}))),
  });
  return host.getOpenAPI31Document({ openapi: "3.1.0", info: { title: "synth gateway", version } });
}
