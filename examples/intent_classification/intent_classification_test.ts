import { assert, assertEquals, assertGreater, assertLess, assertRejects } from "@std/assert";
import { SynthError } from "@synth/core";
import { calls, completion, HOSTILE, playedApp } from "../testing/rollouts.ts";
import { createDatasets, parse, rowOf, type Utterance } from "./dataset.ts";
import { generate } from "./generate_data.ts";
import { intentClassification } from "./task_app.ts";

const FILE = await Deno.readTextFile(new URL("data/utterances.jsonl", import.meta.url));
const { splits, intents } = parse(FILE);
const ROWS: readonly Utterance[] = [...splits.values()].flat();
const LABELS = new Map(ROWS.map(({ text, label }) => [text, label]));

function wrong(label: string): string {
  return intents.find((one) => one !== label) ?? "";
}

Deno.test("data/utterances.jsonl is what generate_data.ts writes", () => {
  assertEquals(FILE, generate());
});

Deno.test("data/utterances.jsonl is balanced, and no text is in it twice", () => {
  assertEquals(intents.length, 16);
  const sizes = [...splits].map(([name, rows]) => [name, rows.length]);
  assertEquals(sizes, [["train", 288], ["val", 96], ["test", 96]]);
  for (const rows of splits.values()) {
    // Any run of sixteen seeds has every intent once.
    for (let at = 0; at < rows.length; at += 16) {
      assertEquals(rows.slice(at, at + 16).map(({ label }) => label).sort(), [...intents]);
    }
  }
  const texts = ROWS.map(({ text }) => text.toLowerCase().replace(/[^a-z0-9]+/g, " ").trim());
  assertEquals(new Set(texts).size, ROWS.length);
  assertEquals(new Set(ROWS.map(({ id }) => id)).size, ROWS.length);
  for (const { text } of ROWS) assert(text.length >= 15 && !/[{}]/.test(text), text);
});

Deno.test("data/utterances.jsonl is a task: words alone tell some of it, and not all", () => {
  const score = naiveBayes(splits.get("train") ?? [], splits.get("test") ?? []);
  // By chance it would be 1 in 16.
  assertGreater(score, 0.15);
  assertLess(score, 0.9);
});

Deno.test("rowOf takes any seed, an index before it, and splits that are there", async () => {
  const datasets = createDatasets();
  const row = async (seed: number | null, config: Record<string, unknown>) =>
    (await rowOf(datasets, { seed, config })).id;
  assertEquals(await row(0, {}), "train-000");
  assertEquals(await row(-289, {}), "train-001");
  assertEquals(await row(95, { split: "test" }), "test-095");
  assertEquals(await row(3, { split: "val", index: 7 }), "val-007");
  assertEquals(await row(null, {}), "train-000");
  for (const config of [{ split: "all" }, { split: 3 }, { index: "1" }, { index: 1.5 }]) {
    const error = await assertRejects(() => row(0, config), SynthError);
    assertEquals(error.status, 400);
  }
});

for (const mode of ["tool_calls", "structured", "text"] as const) {
  Deno.test(`rollout in the mode ${mode} gives 1 for the right intent and 0 for a wrong one`, async () => {
    const say = (intent: string) =>
      mode === "tool_calls"
        ? calls(["classify", JSON.stringify({ intent })])
        : { role: "assistant", content: mode === "text" ? intent : JSON.stringify({ intent }) };
    for (const right of [true, false]) {
      const app = playedApp(intentClassification, ({ body }) => {
        const label = LABELS.get(body.messages[1].content) ?? "";
        return completion(say(right ? label : wrong(label)));
      });
      for (let seed = 0; seed < 20; seed++) {
        const { metrics, trajectories } = await app.rollout({
          env: { seed, config: { split: "test" } },
          policy: {
            output_mode: mode,
            config: { inference_url: `http://model.test/v1?cid=trace_${seed}` },
          },
        });
        assertEquals([metrics.mean_return, metrics.outcome_score], [+right, +right]);
        assertEquals([metrics.events_score, metrics.details["answered"]], [1, true]);
        assertEquals(metrics.details["tokens"], 15);
        assertEquals(trajectories[0]?.steps[0]?.output_mode, mode);
      }
    }
  });

  Deno.test(`rollout in the mode ${mode} gives 0 for answers that are none`, async () => {
    for (const [what, message] of HOSTILE) {
      const app = playedApp(intentClassification, () => completion(message));
      const { metrics } = await app.rollout({
        policy: { output_mode: mode, config: { inference_url: "http://model.test?cid=trace_1" } },
      });
      assertEquals([metrics.mean_return, metrics.details["intent"]], [0, null], what);
    }
  });
}

Deno.test("rollout gives nothing for naming every intent, and nothing for two calls", async () => {
  const all = playedApp(
    intentClassification,
    () => completion({ role: "assistant", content: intents.join("\n") }),
  );
  const policy = {
    output_mode: "text" as const,
    config: { inference_url: "http://model.test?cid=trace_1" },
  };
  const { metrics } = await all.rollout({ policy });
  assertEquals([metrics.mean_return, metrics.events_score], [0, 0]);
  const two = playedApp(intentClassification, ({ body }) => {
    const label = LABELS.get(body.messages[1].content) ?? "";
    const args = [wrong(label), label].map((intent) => JSON.stringify({ intent }));
    return completion(calls(["classify", args[0] ?? ""], ["classify", args[1] ?? ""]));
  });
  assertEquals((await two.rollout()).metrics.mean_return, 0);
});

Deno.test("rollout sends the text and never its label, with the schema and settings of the request", async () => {
  const app = playedApp(intentClassification, () => completion(null));
  const schema = { type: "object", properties: { intent: { type: "string" } } };
  await app.rollout({
    policy: {
      output_mode: "structured",
      structured_config: { schema, schema_name: "mine", strict: false },
      config: {
        inference_url: "http://model.test?cid=trace_1",
        model: "m",
        max_tokens: 9,
        system_hint: "Think twice.",
      },
    },
  });
  const { body } = app.asked[0] ?? {};
  assertEquals([body.model, body.max_tokens, body.messages.length], ["m", 9, 2]);
  assertEquals(body.response_format.json_schema, { name: "mine", strict: false, schema });
  assert(body.messages[0].content.endsWith("Think twice."));
  assertEquals(LABELS.has(body.messages[1].content), true);
});

Deno.test("the task set tells its splits and intents, and an instance its text", async () => {
  const { client } = playedApp(intentClassification, () => completion(null));
  const taskset = await client.taskset();
  assertEquals(taskset["sizes"], { train: 288, val: 96, test: 96 });
  assertEquals(taskset["intents"], [...intents]);
  const [first, second] = await client.taskInfo([0, 289]);
  assertEquals(first?.task.id, "train-000");
  assertEquals(second?.task_metadata["text"], splits.get("train")?.[1]?.text);
  assertEquals(JSON.stringify(first?.task_metadata).includes("label"), false);
  const info = await client.info();
  assertEquals(Object.keys(info.rubrics ?? {}).sort(), ["events", "outcome"]);
});

/** The plainest classifier that learns: how often a word stands in the texts of an intent. */
function naiveBayes(train: readonly Utterance[], test: readonly Utterance[]): number {
  const wordsOf = (text: string) => text.toLowerCase().match(/[a-z]+/g) ?? [];
  const counts = new Map<string, Map<string, number>>();
  const vocabulary = new Set<string>();
  for (const { text, label } of train) {
    const words = counts.get(label) ?? new Map<string, number>();
    counts.set(label, words);
    for (const word of wordsOf(text)) {
      words.set(word, (words.get(word) ?? 0) + 1);
      vocabulary.add(word);
    }
  }
  const right = test.filter(({ text, label }) => {
    let best = "";
    let highest = -Infinity;
    for (const [candidate, words] of counts) {
      const total = [...words.values()].reduce((sum, count) => sum + count, vocabulary.size);
      const score = wordsOf(text).reduce(
        (sum, word) => sum + Math.log(((words.get(word) ?? 0) + 1) / total),
        0,
      );
      if (score > highest) [best, highest] = [candidate, score];
    }
    return best === label;
  });
  return right.length / test.length;
}
