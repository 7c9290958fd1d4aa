/** The bundled data set: what people write, and the intent of it. @module */
import { parseJsonLimited, SynthError } from "@synth/core";
import { DatasetRegistry, normaliseSeed, type RolloutRequest } from "@synth/task-app";

/** One row. */
export interface Utterance {
  readonly id: string;
  readonly split: string;
  readonly text: string;
  readonly label: string;
}

/** The rows by split, and the names of the intents. */
export interface Utterances {
  readonly splits: ReadonlyMap<string, readonly Utterance[]>;
  /** Sorted. */
  readonly intents: readonly string[];
}

/** The registry of the task app. The file is read once, when a row is first asked for. */
export function createDatasets(): DatasetRegistry {
  const datasets = new DatasetRegistry();
  datasets.register({
    id: "bike-support-intents",
    name: "Bike support intents",
    version: "1",
    description: "Messages to the support of an imaginary bike sharing scheme, in 16 intents",
    splits: ["train", "val", "test"],
    default_split: "train",
    cardinality: 480,
    licence: "MIT",
  }, async () => parse(await Deno.readTextFile(new URL("data/utterances.jsonl", import.meta.url))));
  return datasets;
}

/**
 * The row that a request asks for: `env.config.index`, else the seed, in `env.config.split`.
 *
 * @throws {SynthError} 400 `unknown_split`, `invalid_index`
 */
export async function rowOf(
  datasets: DatasetRegistry,
  env: Pick<RolloutRequest["env"], "seed" | "config">,
): Promise<Utterance> {
  const { split, index } = env.config;
  const seed = index ?? env.seed ?? 0;
  if (typeof seed !== "number" || !Number.isSafeInteger(seed)) {
    throw new SynthError("An index is a whole number", {
      code: "invalid_index",
      status: 400,
      param: "env.config.index",
    });
  }
  const name = datasets.ensureSplit(
    "bike-support-intents",
    typeof split === "string" ? split : split === undefined || split === null ? null : "?",
  );
  const { splits } = await datasets.get<Utterances>("bike-support-intents");
  const rows = splits.get(name) ?? [];
  const row = rows[normaliseSeed(seed, rows.length)];
  if (row === undefined) throw new Error(`The split ${name} is empty`);
  return row;
}

/** The file's rows. */
export function parse(text: string): Utterances {
  const splits = new Map<string, Utterance[]>();
  const intents = new Set<string>();
  for (const line of text.split("\n").filter((line) => line !== "")) {
    const row = parseJsonLimited(line) as unknown as Utterance;
    intents.add(row.label);
    splits.set(row.split, [...splits.get(row.split) ?? [], row]);
  }
  return { splits, intents: [...intents].sort() };
}
