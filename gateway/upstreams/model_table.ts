/** From the name that a client asks for to the upstream that serves it. @module */
import { SynthError } from "@synth/core";
import { findModel, type ModelConfig, type SynthConfig } from "@synth/core/config";
import { DEMO_UPSTREAM, type Upstream } from "./upstream.ts";

/** The name of the built-in model. */
export const DEMO_MODEL = "synth-demo";

/** A model that a request asked for. */
export interface ResolvedModel {
  /** As the client named it, and as it is named to the client. */
  readonly name: string;
  /** The entry of the configuration; ends in `*` for a pattern. */
  readonly key: string;
  /** What the upstream calls it. */
  readonly upstreamName: string;
  readonly upstream: Upstream;
  readonly config: ModelConfig;
}

const DEMO_CONFIG: ModelConfig = {
  upstream: DEMO_UPSTREAM.name,
  model: DEMO_MODEL,
  price: "free",
  context_window: 131_072,
  max_output_tokens: 32_768,
  stop_tool: "off",
  fallback: [],
};

/** The models of one configuration, and the built-in one unless the configuration has that name. */
export class ModelTable {
  readonly #config: SynthConfig;
  readonly #upstreams: ReadonlyMap<string, Upstream>;

  constructor(config: SynthConfig, upstreams: ReadonlyMap<string, Upstream>) {
    this.#config = config;
    this.#upstreams = upstreams;
  }

  /** Finds a model, or `null`. */
  find(name: string): ResolvedModel | null {
    if (name === DEMO_MODEL && !this.#config.models.has(name)) {
      return {
        name,
        key: name,
        upstreamName: name,
        upstream: DEMO_UPSTREAM,
        config: DEMO_CONFIG,
      };
    }
    const found = findModel(this.#config, name);
    const upstream = found === null ? undefined : this.#upstreams.get(found.config.upstream);
    if (found === null || upstream === undefined) return null;
    return {
      name,
      key: found.key,
      upstreamName: found.upstreamModel,
      upstream,
      config: found.config,
    };
  }

  /**
   * Finds a model.
   *
   * @param status of the error: 400 for Responses, as OpenAI has it, 404 elsewhere
   * @throws {SynthError} `model_not_found`
   */
  resolve(name: string, status: 400 | 404): ResolvedModel {
    const model = this.find(name);
    if (model !== null) return model;
    throw new SynthError(`The model ${JSON.stringify(name.slice(0, 256))} does not exist`, {
      code: "model_not_found",
      status,
      type: "invalid_request_error",
      param: "model",
      hint: "GET /v1/models lists the models of this gateway",
    });
  }

  /** The model and its fallbacks, in the order in which they are tried. Fallbacks of fallbacks are not. */
  withFallbacks(model: ResolvedModel): ResolvedModel[] {
    if (model.config.fallback.length === 0) return [model];
    const models = new Map([[model.key, model]]);
    for (const name of model.config.fallback) {
      const other = this.find(name);
      if (other !== null && !models.has(other.key)) models.set(other.key, other);
    }
    return [...models.values()];
  }

  /** The names that can be listed: patterns are not names. */
  names(): string[] {
    const names = [...this.#config.models.keys()].filter((name) => !name.endsWith("*"));
    if (!this.#config.models.has(DEMO_MODEL)) names.push(DEMO_MODEL);
    return names;
  }
}
