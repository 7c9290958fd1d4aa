/** Operations of the description, as lines of a table. @module */
import type { Json } from "@synth/core";

/** A part of the document. */
export type JsonObject = { [key: string]: Json };

/** Adds what every route with a key has. */
export type Protect = (operation: JsonObject, success: JsonObject) => JsonObject;

/** One route. `Name` is what its schemas are called. */
export interface Operation<Name extends string> {
  readonly summary: string;
  readonly description?: string;
  readonly body?: Name;
  /** No body at all is a body without members. */
  readonly bodyOptional?: true;
  /** A list of it when it stands in brackets. */
  readonly answer: Name | readonly [Name];
  /** 201, and 200 when it had been made before. */
  readonly creates?: true;
  /** Takes an `Idempotency-Key`. */
  readonly repeatable?: true;
  readonly query?: readonly string[];
}

/** Method, path, what it does. */
export type OperationLine<Name extends string> = readonly [string, string, Operation<Name>];

/** The paths of a table. */
export function describePaths<Name extends string>(
  lines: readonly OperationLine<Name>[],
  protect: Protect,
): JsonObject {
  const paths: { [path: string]: JsonObject } = {};
  for (const [method, path, operation] of lines) {
    (paths[path] ??= {})[method] = describe(path, operation, protect);
  }
  return paths;
}

function describe<Name extends string>(
  path: string,
  operation: Operation<Name>,
  protect: Protect,
): JsonObject {
  const { summary, description, body, answer, creates, query = [], repeatable } = operation;
  const parameters = [
    ...[...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => parameter(name, "path", true)),
    ...query.map((name) => parameter(name, "query", false)),
    ...(repeatable === true ? [parameter("Idempotency-Key", "header", false)] : []),
  ];
  const schema = typeof answer === "string"
    ? refTo(answer)
    : { type: "array", items: refTo(answer[0]) };
  const success = { description: summary, content: { "application/json": { schema } } };
  const described = protect({
    summary,
    ...(description === undefined ? {} : { description }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : {
      requestBody: {
        required: operation.bodyOptional !== true,
        content: { "application/json": { schema: refTo(body) } },
      },
    }),
  }, success);
  if (creates !== true) return described;
  const made = { ...success, description: "It was made by this request" };
  return { ...described, responses: { ...described["responses"] as JsonObject, 201: made } };
}

function parameter(name: string, where: string, required: boolean): JsonObject {
  return { name, in: where, required, schema: { type: "string" } };
}

function refTo(name: string): JsonObject {
  return { $ref: `#/components/schemas/${name}` };
}
