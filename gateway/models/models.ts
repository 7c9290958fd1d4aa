/** `GET .../models` and `GET .../models/{id}`, in the shape of OpenAI's lists. @module */
import type { ModelObject } from "@synth/core/api";
import { SynthError } from "@synth/core";
import { json } from "../http/json.ts";
import type { RequestContext } from "../http/request_context.ts";
import { DEMO_MODEL, type ResolvedModel } from "../upstreams/model_table.ts";

const NAME = /^[\x21-\x7e]{1,256}$/;

/** All models that have a name; patterns are left out. */
export function listModels(context: RequestContext): Response {
  const { models } = context.snapshot;
  const data = models.names().map((name) => models.find(name)).filter((model) => model !== null);
  return json({ object: "list", data: data.map(modelObject) });
}

/** One model, also by a name that only a pattern matches. */
export function getModel(context: RequestContext): Response {
  const name = decoded(context.params["id"] ?? "");
  const model = NAME.test(name) ? context.snapshot.models.find(name) : null;
  if (model === null) {
    throw new SynthError("There is no such model", { code: "model_not_found", status: 404 });
  }
  return json(modelObject(model));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

function modelObject(model: ResolvedModel): ModelObject {
  const { config, upstream, name } = model;
  return {
    id: name,
    object: "model",
    created: 0,
    owned_by: upstream.name,
    context_window: config.context_window,
    max_output_tokens: config.max_output_tokens,
    ...(upstream.baseUrl === null && name === DEMO_MODEL
      ? { description: "A built-in program for trying the gateway. It is no language model." }
      : {}),
  };
}
