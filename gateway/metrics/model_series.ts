/** The numbers of one model, found once a request. @module */
import type { Cell, Family, HistogramCell, Registry } from "./prometheus.ts";

/** What is counted for a model. */
export interface ModelSeries {
  readonly duration: HistogramCell;
  readonly firstToken: HistogramCell;
  readonly input: Cell;
  readonly cached: Cell;
  readonly output: Cell;
  readonly reasoning: Cell;
  readonly cost: Cell;
  readonly fallbacks: Cell;
}

/** Most models; names come from the configuration, which can be read again many times. */
const MAX_MODELS = 1000;
/** Seconds. */
const DURATIONS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 600];
const FIRST_TOKENS = [0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64];

/** The series of all models, by their key in the configuration. */
export class ModelSeriesTable {
  readonly #known: Map<string, ModelSeries> = new Map();
  readonly #duration: Family<HistogramCell>;
  readonly #firstToken: Family<HistogramCell>;
  readonly #tokens: Family<Cell>;
  readonly #cost: Family<Cell>;
  readonly #fallbacks: Family<Cell>;

  constructor(registry: Registry) {
    const model = ["model"];
    this.#duration = registry.histogram(
      "synth_model_request_duration_seconds",
      "From the request to the last byte of its answer, for requests that reached a model",
      DURATIONS,
      model,
    );
    this.#firstToken = registry.histogram(
      "synth_time_to_first_token_seconds",
      "From the request to the first token of its model",
      FIRST_TOKENS,
      model,
    );
    this.#tokens = registry.counter(
      "synth_tokens_total",
      "Tokens that were settled; cached_input is a part of input, reasoning a part of output",
      ["model", "kind"],
    );
    this.#cost = registry.counter(
      "synth_cost_nano_usd_total",
      "What was settled, in billionths of a US dollar",
      model,
    );
    this.#fallbacks = registry.counter(
      "synth_fallbacks_total",
      "Requests that went on to another model, by the model that was called last",
      model,
    );
  }

  /** @param key of the model in the configuration */
  of(key: string): ModelSeries {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const name = this.#known.size < MAX_MODELS ? key : "other";
    const made: ModelSeries = {
      duration: this.#duration.cell(name),
      firstToken: this.#firstToken.cell(name),
      input: this.#tokens.cell(name, "input"),
      cached: this.#tokens.cell(name, "cached_input"),
      output: this.#tokens.cell(name, "output"),
      reasoning: this.#tokens.cell(name, "reasoning"),
      cost: this.#cost.cell(name),
      fallbacks: this.#fallbacks.cell(name),
    };
    if (name === key) this.#known.set(key, made);
    return made;
  }

  /** Every model that was used. */
  entries(): Iterable<[string, ModelSeries]> {
    return this.#known.entries();
  }
}
