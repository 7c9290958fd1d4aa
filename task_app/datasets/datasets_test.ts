import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { SynthError } from "@synth/core";
import { DatasetRegistry, normaliseSeed } from "./dataset_registry.ts";
import { parseDatasetSpec, type TaskDatasetSpec } from "./dataset_spec.ts";

const rows = { id: "rows", name: "Rows", splits: ["train", "test"], default_split: "test" };

Deno.test("parseDatasetSpec wants the default split among the splits", () => {
  assertEquals(parseDatasetSpec({ id: "a", name: "A", mine: 1 }), {
    id: "a",
    name: "A",
    splits: [],
    mine: 1,
  });
  const bad = [
    { ...rows, default_split: "dev" },
    { id: "a", name: "A", default_split: "x" },
    {
      ...rows,
      cardinality: 0,
    },
    { id: "", name: "" },
    null,
  ];
  for (const spec of bad) {
    const error = assertThrows(() => parseDatasetSpec(spec), SynthError);
    assertEquals(error.code, "invalid_dataset_spec");
  }
});

Deno.test("DatasetRegistry loads once for an id, a version and a default split", async () => {
  const datasets = new DatasetRegistry();
  const loads: (string | null | undefined)[][] = [];
  const loader = async (spec: TaskDatasetSpec) => {
    loads.push([spec.version, spec.default_split]);
    return await Promise.resolve({ spec });
  };
  datasets.register(rows, loader);
  const [first, second] = await Promise.all([datasets.get("rows"), datasets.get("rows")]);
  assertEquals(first === second, true);
  assertEquals(await datasets.get({ id: "rows" }) === first, true);
  await datasets.get({ id: "rows", version: "2" });
  await datasets.get({ id: "rows", version: "2", description: "other" });
  await datasets.get({ id: "rows", default_split: "train" });
  assertEquals(loads, [[undefined, "test"], ["2", "test"], [undefined, "train"]]);
  datasets.register(rows, loader);
  await datasets.get("rows");
  assertEquals(loads.length, 4);
  datasets.register(rows, loader, { cache: false });
  await datasets.get("rows");
  await datasets.get("rows");
  assertEquals(loads.length, 6);
});

Deno.test("DatasetRegistry does not keep a load that failed", async () => {
  const datasets = new DatasetRegistry();
  let calls = 0;
  datasets.register(rows, () => {
    if (++calls === 1) throw new Error("offline");
    return "rows";
  });
  await assertRejects(() => datasets.get("rows"), Error, "offline");
  assertEquals(await datasets.get("rows"), "rows");
});

Deno.test("DatasetRegistry describes, lists, and says what there is", async () => {
  const datasets = new DatasetRegistry();
  datasets.register({ id: "b", name: "B" }, () => 1);
  datasets.register({ id: "a", name: "A" }, () => 2);
  assertEquals(datasets.list().map(({ id }) => id), ["a", "b"]);
  assertEquals(datasets.describe("a").name, "A");
  for (const id of ["c", "__proto__", "constructor"]) {
    const error = await assertRejects(() => datasets.get(id), SynthError);
    assertEquals([error.status, error.code, error.hint], [
      404,
      "dataset_not_found",
      "Registered: a, b",
    ]);
  }
});

Deno.test("DatasetRegistry chooses a split", () => {
  const datasets = new DatasetRegistry();
  datasets.register(rows, () => 1);
  assertEquals(datasets.ensureSplit("rows"), "test");
  assertEquals(datasets.ensureSplit("rows", "train"), "train");
  assertEquals(datasets.ensureSplit({ id: "x", name: "X", splits: ["only"] }), "only");
  assertEquals(datasets.ensureSplit({ id: "x", name: "X", splits: [] }), "default");
  assertEquals(datasets.ensureSplit({ id: "x", name: "X", splits: [] }, "given"), "given");
  const error = assertThrows(() => datasets.ensureSplit("rows", "dev"), SynthError);
  assertEquals([error.code, error.hint], ["unknown_split", "It has train, test"]);
});

Deno.test("normaliseSeed gives an index of the data set for any integer", () => {
  assertEquals([normaliseSeed(-7), normaliseSeed(-7, 5), normaliseSeed(12, 5)], [7, 2, 2]);
  fc.assert(fc.property(fc.maxSafeInteger(), fc.integer({ min: 1 }), (seed, size) => {
    const index = normaliseSeed(seed, size);
    assertEquals(Number.isInteger(index) && index >= 0 && index < size, true);
    assertEquals(Object.is(index, -0), false);
  }));
  for (const seed of [1.5, NaN, Infinity, 2 ** 53]) {
    assertEquals(assertThrows(() => normaliseSeed(seed, 5), SynthError).code, "invalid_seed");
  }
  for (const size of [0, -1, 1.5]) {
    assertEquals(
      assertThrows(() => normaliseSeed(1, size), SynthError).code,
      "invalid_cardinality",
    );
  }
});
