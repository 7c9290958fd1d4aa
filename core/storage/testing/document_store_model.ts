/** A document store as a plain map, to compare a real one with. @module */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { DocumentStore, ListOptions, PutOptions } from "../document_store.ts";
import type { DocumentStoreSubject } from "./document_store_contract.ts";

interface Entry {
  value: number;
  version: number;
  index: string | null;
  sequence: number;
}

type Step =
  | { kind: "put"; id: string; value: number; options: PutOptions }
  | { kind: "delete"; id: string; ifVersion: number | undefined }
  | { kind: "get"; id: string }
  | { kind: "list"; index: string | undefined; order: "newest" | "oldest"; limit: number };

const ids = fc.constantFrom("a", "b", "c", "d:e", "__proto__");
const indexes = fc.constantFrom("x", "xy", "é");
const versions = fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined });
const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("put" as const),
      id: ids,
      value: fc.nat(),
      options: fc.tuple(versions, fc.option(fc.option(indexes), { nil: undefined })).map(toOptions),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("delete" as const), id: ids, ifVersion: versions }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("get" as const), id: ids }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("list" as const),
      index: fc.option(indexes, { nil: undefined }),
      order: fc.constantFrom("newest" as const, "oldest" as const),
      limit: fc.integer({ min: 1, max: 3 }),
    }),
  },
);

function toOptions(
  [ifVersion, index]: [number | undefined, string | null | undefined],
): PutOptions {
  return {
    ...(ifVersion === undefined ? {} : { ifVersion }),
    ...(index === undefined ? {} : { index }),
  };
}

/** Runs random sequences of calls on the store and on a map; every answer must agree. */
export async function checkAgainstModel(
  { stores, org }: DocumentStoreSubject,
  runs: number,
): Promise<void> {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { maxLength: 30 }), async (sequence) => {
      const collection = `m${run++}`;
      const model: Map<string, Entry> = new Map();
      for (const [n, step] of sequence.entries()) {
        const store = stores[n % stores.length] ?? stores[0];
        await runStep(store, org, collection, model, step, n);
      }
    }),
    { numRuns: runs },
  );
}

async function runStep(
  store: DocumentStore,
  org: string,
  collection: string,
  model: Map<string, Entry>,
  step: Step,
  now: number,
): Promise<void> {
  if (step.kind === "put") {
    const got = await store.put(org, collection, step.id, step.value, step.options);
    assertEquals(got?.version ?? null, modelPut(model, step, now));
  } else if (step.kind === "delete") {
    const { ifVersion } = step;
    const old = model.get(step.id);
    const hit = old !== undefined && (ifVersion === undefined || ifVersion === old.version);
    if (hit) model.delete(step.id);
    const options = ifVersion === undefined ? {} : { ifVersion };
    assertEquals(await store.delete(org, collection, step.id, options), hit);
  } else if (step.kind === "get") {
    const got = await store.get(org, collection, step.id);
    const old = model.get(step.id);
    assertEquals(
      got && [got.value, got.version, got.index],
      old ? [old.value, old.version, old.index] : null,
    );
  } else {
    const { index, order } = step;
    const expected = [...model].filter(([, entry]) => index === undefined || entry.index === index)
      .sort(([, a], [, b]) =>
        order === "oldest" ? a.sequence - b.sequence : b.sequence - a.sequence
      )
      .map(([id]) => id);
    const base: ListOptions = {
      order,
      limit: step.limit,
      ...(index === undefined ? {} : { index }),
    };
    assertEquals(await listAll(store, org, collection, base), expected);
    assertEquals(
      await store.count(org, collection, index === undefined ? {} : { index }),
      expected.length,
    );
  }
}

function modelPut(
  model: Map<string, Entry>,
  step: Extract<Step, { kind: "put" }>,
  now: number,
): number | null {
  const old = model.get(step.id);
  const { ifVersion, index } = step.options;
  if (ifVersion !== undefined && ifVersion !== (old?.version ?? 0)) return null;
  const version = (old?.version ?? 0) + 1;
  model.set(step.id, {
    value: step.value,
    version,
    index: index === undefined ? old?.index ?? null : index,
    sequence: old?.sequence ?? now,
  });
  return version;
}

async function listAll(
  store: DocumentStore,
  org: string,
  collection: string,
  options: ListOptions,
): Promise<string[]> {
  const all: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await store.list(
      org,
      collection,
      cursor === null ? options : { ...options, cursor },
    );
    all.push(...page.documents.map((document) => document.id));
    cursor = page.cursor;
  } while (cursor !== null);
  return all;
}
