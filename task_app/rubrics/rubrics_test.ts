import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { SynthError } from "@synth/core";
import { blendRubrics } from "./blend_rubrics.ts";
import { loadRubric, loadStrictRubric } from "./load_rubric.ts";
import { parseRubric, parseStrictRubric, type RubricInput } from "./rubric.ts";
import { scoreEvents, scoreOutcome } from "./score_rubric.ts";

const input: RubricInput = {
  version: "1",
  goal_text: "Win",
  criteria: [
    { id: "a", description: "A", weight: 0.25, note: "kept" },
    { id: "b", description: "B", weight: 0.75, required: true },
  ],
};

function refusal(value: unknown, parse = parseRubric): [string, string] {
  const error = assertThrows(() => parse(value), SynthError);
  return [error.code, error.message];
}

Deno.test("parseRubric fills in defaults, and keeps what it does not know", () => {
  assertEquals(
    parseRubric({ version: "1", criteria: [{ id: "a", description: "A", x: 1 }], y: 2 }),
    {
      version: "1",
      criteria: [{ id: "a", description: "A", x: 1, weight: 1, required: false }],
      aggregation: "weighted_sum",
      y: 2,
    },
  );
});

Deno.test("parseRubric refuses doubled ids, weights of 0, and the judge's format", () => {
  const criterion = { id: "a", description: "A" };
  assertEquals(refusal({ version: "1", criteria: [criterion, criterion] }), [
    "invalid_rubric",
    "The rubric is not valid at criteria[1].id: Another criterion has this id",
  ]);
  for (const weight of [0, -1, NaN, Infinity, "1"]) {
    assertEquals(
      refusal({ version: "1", criteria: [{ ...criterion, weight }] })[0],
      "invalid_rubric",
    );
  }
  assertEquals(refusal({ event: {}, outcome: {} })[0], "rubric_is_judge_config");
  assertEquals(refusal({ event: {}, outcome: {}, version: 1 })[0], "invalid_rubric");
  for (const value of [null, [], "x", {}]) assertEquals(refusal(value)[0], "invalid_rubric");
});

Deno.test("parseStrictRubric wants a goal, weights that sum to 1, and weighted_sum", () => {
  assertEquals(parseStrictRubric(input).goal_text, "Win");
  const criterion = { id: "a", description: "A", weight: 1 };
  const wrong: Partial<RubricInput>[] = [
    { version: " " },
    { goal_text: null },
    { goal_text: " " },
    { aggregation: "sum" },
    { criteria: [] },
    { criteria: [{ ...criterion, weight: 0.5 }] },
    { criteria: [{ ...criterion, weight: 1.5 }] },
    { criteria: [{ ...criterion, weight: 1 - 1e-5 }] },
    { criteria: [{ ...criterion, description: "" }] },
  ];
  for (const change of wrong) {
    const refused = refusal({ ...input, ...change }, parseStrictRubric);
    assertEquals(refused[0], "invalid_rubric", JSON.stringify(change));
  }
  const near = { ...input, criteria: [{ ...criterion, weight: 1 - 1e-7 }] };
  assertEquals(parseStrictRubric(near).criteria.length, 1);
});

Deno.test("loadRubric reads objects, JSON, YAML, paths and URLs", async () => {
  const json = JSON.stringify(input);
  const yaml =
    "version: '1'\ngoal_text: Win\ncriteria:\n  - {id: a, description: A, weight: 0.25, " +
    "note: kept}\n  - {id: b, description: B, weight: 0.75, required: true}\n";
  const expected = parseRubric(input);
  const files = new Map([["r.json", json], ["r.yaml", yaml], ["r", json], [
    "bom.json",
    `\uFEFF${json}`,
  ]]);
  const ports = {
    readText: (path: string) => Promise.resolve(files.get(path)),
    fetch: (url: unknown) =>
      Promise.resolve(
        String(url).endsWith("/r.yml") ? new Response(yaml) : new Response("", { status: 404 }),
      ),
  } as Parameters<typeof loadRubric>[1];
  for (
    const source of [input, json, yaml, "r.json", "r.yaml", "r", "bom.json", "https://x.test/r.yml"]
  ) {
    assertEquals(await loadRubric(source, ports), expected);
  }
  const code = async (source: string) =>
    (await assertRejects(() => loadRubric(source, ports), SynthError)).code;
  assertEquals(await code("missing.json"), "rubric_not_found");
  assertEquals(await code("https://x.test/none"), "rubric_not_found");
  assertEquals(await code("{broken"), "rubric_unreadable");
  assertEquals(await code("a: [1\nb: {"), "rubric_unreadable");
  assertEquals(await code("x\n".repeat(600_000)), "rubric_unreadable");
  const bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" +
    "bcdefghi".split("").map((name, i) =>
      `${name}: &${name} [${Array(9).fill(`*${"abcdefgh"[i]}`).join(",")}]`
    ).join("\n");
  assertEquals(await code(bomb), "rubric_unreadable");
  assertEquals((await loadStrictRubric("r.json", ports)).goal_text, "Win");
  const strict = await assertRejects(() => loadStrictRubric("r.yaml", ports), SynthError);
  assertEquals(strict.code, "rubric_not_json");
});

Deno.test("blendRubrics merges by id", () => {
  const base = parseRubric({
    version: "1",
    goal_text: "Base",
    aggregation: "sum",
    criteria: [
      { id: "a", description: "A", weight: 2 },
      { id: "b", description: "B", weight: 3, required: true },
      { id: "c", description: "C" },
    ],
  });
  const override = parseRubric({
    version: "2",
    aggregation: "inherit",
    criteria: [
      { id: "a", description: "Mine", weight: 5 },
      { id: "b", description: "" },
      { id: "c", description: "C2", weight: 4 },
      { id: "d", description: "D" },
    ],
  });
  const blended = blendRubrics(base, override);
  assertEquals(
    blended?.criteria.map((
      { id, description, weight, required },
    ) => [id, description, weight, required]),
    [["a", "Mine", 10, false], ["b", "B", 3, true], ["c", "C2", 4, false], ["d", "D", 1, false]],
  );
  assertEquals([blended?.version, blended?.goal_text, blended?.aggregation], ["2", "Base", "sum"]);
  assertEquals(blendRubrics(base, null), base);
  assertEquals(blendRubrics(null, override), override);
  assertEquals(blendRubrics(undefined, undefined), null);
});

Deno.test("scoreOutcome aggregates as the rubric says", () => {
  const rubric = parseRubric(input);
  assertEquals(scoreOutcome(rubric, { a: 1, b: 0.5 }), {
    aggregation: "weighted_sum",
    score: 0.625,
    per_criterion: {
      a: { score: 1, weight: 0.25, required: false },
      b: { score: 0.5, weight: 0.75, required: true },
    },
  });
  assertEquals(scoreOutcome(rubric, { a: 1, b: NaN }).score, 0.25);
  assertEquals(scoreOutcome({ ...rubric, aggregation: "sum" }, { a: 1, b: 1, z: 9 }).score, 2);
  assertEquals(scoreOutcome({ ...rubric, aggregation: "custom" }, { a: 1 }).score, null);
  assertEquals(scoreOutcome({ ...rubric, criteria: [] }, {}).score, 0);
  const hostile = parseRubric({
    version: "1",
    criteria: [{ id: "constructor", description: "x" }],
  });
  assertEquals(scoreOutcome(hostile, {}).score, 0);
});

Deno.test("scoreOutcome by weights lies between the least and the greatest score", () => {
  const unit = fc.double({ min: 0, max: 1, noNaN: true });
  const weight = fc.double({ min: 0.01, max: 100, noNaN: true });
  fc.assert(
    fc.property(fc.array(fc.tuple(unit, weight), { minLength: 1, maxLength: 8 }), (pairs) => {
      const criteria = pairs.map(([, weight], i) => ({ id: `c${i}`, description: "", weight }));
      const scores = Object.fromEntries(pairs.map(([score], i) => [`c${i}`, score]));
      const { score } = scoreOutcome(parseRubric({ version: "1", criteria }), scores);
      const values = Object.values(scores);
      const within = score !== null && score >= Math.min(...values) - 1e-9 &&
        score <= Math.max(...values) + 1e-9;
      assertEquals(within, true);
    }),
  );
});

Deno.test("scoreEvents finds criteria by any of their names, and the last score counts", () => {
  const rubric = { ...parseRubric(input), aggregation: "sum" as const };
  const events = [
    { criterion_id: "a", id: "b", score: 1 },
    { id: "b", score: 1 },
    { criterion: "b", score: 0.5 },
    { id: "a" },
    { score: 9 },
    null,
    "x",
  ];
  assertEquals(scoreEvents(rubric, events).score, 1.5);
});
