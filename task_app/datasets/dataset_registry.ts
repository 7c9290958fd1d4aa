import { SynthError } from "@synth/core";
import {
  parseDatasetSpec,
  type TaskDatasetSpec,
  type TaskDatasetSpecInput,
} from "./dataset_spec.ts";

/** Loads a data set. What it loads is the application's own. */
export type DatasetLoader<T = unknown> = (spec: TaskDatasetSpec) => T | Promise<T>;

/** How a data set is registered. */
export interface DatasetRegistration {
  /** Whether what was loaded is kept. @default {true} */
  cache?: boolean;
}

interface Entry {
  readonly spec: TaskDatasetSpec;
  readonly loader: DatasetLoader;
  readonly cache: boolean;
}

/**
 * The data sets of a task app: described, loaded when they are asked for, loaded once.
 *
 * ```ts
 * import { DatasetRegistry } from "@synth/task-app";
 *
 * const datasets = new DatasetRegistry();
 * datasets.register({ id: "rows", name: "Rows", splits: ["train"] }, () => ["a", "b"]);
 * await datasets.get("rows"); // ["a", "b"]
 * ```
 */
export class DatasetRegistry {
  readonly #entries: Map<string, Entry> = new Map();
  readonly #loaded: Map<string, Promise<unknown>> = new Map();

  /**
   * Registers a data set; one of the same id is replaced, and what was loaded of it forgotten.
   *
   * @throws {SynthError} 400 `invalid_dataset_spec`
   */
  register(
    spec: TaskDatasetSpecInput,
    loader: DatasetLoader,
    registration: DatasetRegistration = {},
  ): void {
    const parsed = parseDatasetSpec(spec);
    this.#entries.set(parsed.id, { spec: parsed, loader, cache: registration.cache ?? true });
    for (const key of this.#loaded.keys()) {
      if (JSON.parse(key)[0] === parsed.id) this.#loaded.delete(key);
    }
  }

  /** The description of a data set. @throws {SynthError} 404 `dataset_not_found` */
  describe(id: string): TaskDatasetSpec {
    return this.#entry(id).spec;
  }

  /** All descriptions, by id. */
  list(): TaskDatasetSpec[] {
    return [...this.#entries.values()].map(({ spec }) => spec)
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /**
   * Loads a data set, or takes what was loaded for the same id, version and default split. Calls at the same time share one load; a load that
   * fails is not kept.
   *
   * @param wanted an id, or a description with an id, whose members count before the registered ones
   * @throws {SynthError} 404 `dataset_not_found`; 400 `invalid_dataset_spec`; and what the loader throws
   */
  async get<T = unknown>(
    wanted: string | ({ id: string } & Partial<TaskDatasetSpecInput>),
  ): Promise<T> {
    const id = typeof wanted === "string" ? wanted : wanted.id;
    const { spec, loader, cache } = this.#entry(id);
    const merged = typeof wanted === "string" ? spec : merge(spec, wanted);
    if (!cache) return await loader(merged) as T;
    const key = JSON.stringify([id, merged.version ?? null, merged.default_split ?? null]);
    const known = this.#loaded.get(key);
    if (known !== undefined) return await known as T;
    const loading = Promise.resolve().then(() => loader(merged));
    this.#loaded.set(key, loading);
    try {
      return await loading as T;
    } catch (error) {
      if (this.#loaded.get(key) === loading) this.#loaded.delete(key);
      throw error;
    }
  }

  /**
   * The split to use: the one asked for, else the default one, else the first, else `default`.
   *
   * @throws {SynthError} 400 `unknown_split`
   */
  ensureSplit(spec: TaskDatasetSpec | string, split?: string | null): string {
    const { splits, default_split, id } = typeof spec === "string" ? this.describe(spec) : spec;
    const chosen = split || default_split || splits[0] || "default";
    if (splits.length === 0 || splits.includes(chosen)) return chosen;
    throw new SynthError(`The data set ${id} has no split ${JSON.stringify(chosen.slice(0, 64))}`, {
      code: "unknown_split",
      status: 400,
      param: "split",
      hint: `It has ${splits.join(", ")}`,
    });
  }

  #entry(id: string): Entry {
    const entry = this.#entries.get(id);
    if (entry !== undefined) return entry;
    throw new SynthError(`There is no data set ${JSON.stringify(id.slice(0, 64))}`, {
      code: "dataset_not_found",
      status: 404,
      hint: `Registered: ${[...this.#entries.keys()].sort().join(", ") || "none"}`,
    });
  }
}

/**
 * The index of an instance for any seed: its magnitude, modulo the number of instances.
 *
 * @param cardinality @default {no modulo}
 * @throws {SynthError} 400 `invalid_seed` when the seed is no safe integer; `invalid_cardinality` when that is below 1
 */
export function normaliseSeed(seed: number, cardinality?: number | null): number {
  if (!Number.isSafeInteger(seed)) {
    throw new SynthError("A seed must be an integer below 2^53", {
      code: "invalid_seed",
      status: 400,
      param: "seed",
    });
  }
  const size = Math.abs(seed);
  if (cardinality === undefined || cardinality === null) return size;
  if (!Number.isSafeInteger(cardinality) || cardinality < 1) {
    throw new SynthError("A data set's cardinality must be an integer above 0", {
      code: "invalid_cardinality",
      status: 400,
      param: "cardinality",
    });
  }
  return size % cardinality;
}

function merge(spec: TaskDatasetSpec, wanted: object): TaskDatasetSpec {
  const given = Object.entries(wanted).filter(([, value]) => value !== undefined && value !== null);
  return parseDatasetSpec({ ...spec, ...Object.fromEntries(given) });
}
