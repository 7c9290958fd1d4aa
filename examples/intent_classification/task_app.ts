/**
 * A classification task: name the intent of a message. `synth serve` and `InProcessTaskApp` take this file as it is.
 *
 * @module
 */
import {
  type DatasetRegistry,
  includeInferenceUrl,
  parseStrictRubric,
  type RolloutContext,
  type RolloutRequest,
  type RolloutResponseInput,
  type RubricBundle,
  scoreEvents,
  scoreOutcome,
  type TaskAppConfig,
  type TaskInfoInput,
} from "@synth/task-app";
import { askModel } from "../shared/chat.ts";
import { type ExamplePorts, inferenceOf } from "../shared/inference.ts";
import { rubricInfo } from "../shared/rubric_info.ts";
import { openAiCall, Trace, wantsTrajectories } from "../shared/trace.ts";
import { questionOf, readAnswer } from "./classify.ts";
import { createDatasets, rowOf, type Utterances } from "./dataset.ts";
import eventsRubric from "./rubrics/events.json" with { type: "json" };
import outcomeRubric from "./rubrics/outcome.json" with { type: "json" };

const ENVIRONMENT = "intent_classification";
const DATASET = "bike-support-intents";

/** The task app. What it reads and calls comes in from outside, so that tests can give their own. */
export function intentClassification(ports: ExamplePorts): TaskAppConfig {
  const datasets = createDatasets();
  const rubrics = {
    outcome: parseStrictRubric(outcomeRubric),
    events: parseStrictRubric(eventsRubric),
  };
  const instance = (id: string, metadata: TaskInfoInput["task_metadata"]): TaskInfoInput => ({
    task: { id, name: "Intent classification", version: "1" },
    environment: ENVIRONMENT,
    dataset: datasets.describe(DATASET),
    rubric: rubricInfo(rubrics),
    inference: { model: ports.env("INFERENCE_MODEL") || "synth-demo" },
    limits: { max_turns: 1 },
    task_metadata: metadata,
  });
  return {
    appId: "intent-classification",
    name: "Intent classification",
    description: "Name the intent of a message to the support of a bike sharing scheme",
    baseTaskInfo: instance("intent-classification", {}),
    datasetRegistry: datasets,
    rubrics,
    async describeTaskset() {
      const { splits, intents } = await datasets.get<Utterances>(DATASET);
      const sizes = [...splits].map(([name, rows]) => [name, rows.length] as const);
      return { ...datasets.describe(DATASET), sizes: Object.fromEntries(sizes), intents };
    },
    async *provideTaskInstances(seeds) {
      for (const seed of seeds) {
        const { id, split, text } = await rowOf(datasets, { seed, config: {} });
        yield instance(id, { seed, split, text });
      }
    },
    rollout: (request, context) => rollout(request, context, { datasets, rubrics, ports }),
  };
}

interface Room {
  readonly datasets: DatasetRegistry;
  readonly rubrics: Required<RubricBundle>;
  readonly ports: ExamplePorts;
}

async function rollout(
  request: RolloutRequest,
  context: RolloutContext,
  { datasets, rubrics, ports }: Room,
): Promise<RolloutResponseInput> {
  const row = await rowOf(datasets, request.env);
  const { intents } = await datasets.get<Utterances>(DATASET);
  const inference = inferenceOf(request, ports);
  const { output_mode: mode, policy_id, policy_name } = request.policy;
  const { messages, extra } = questionOf(row.text, intents, request);
  context.countOp();
  const { signal } = context;
  const answer = await askModel({ inference, messages, extra, signal, fetch: ports.fetch });
  const trace = new Trace(request, context, inference);
  trace.add(messages, answer);

  const reading = readAnswer(answer, intents, mode);
  const correct = reading.intent === row.label;
  const outcome = scored(rubrics.outcome, (rubric) => scoreOutcome(rubric, { correct: +correct }));
  const events = scored(rubrics.events, (rubric) =>
    scoreEvents(rubric, [
      { criterion_id: "answered", score: +reading.answered },
      { criterion_id: "known_intent", score: +(reading.intent !== null) },
    ]));
  const about = { row_id: row.id, split: row.split, expected: row.label, intent: reading.intent };
  return includeInferenceUrl({
    run_id: request.run_id,
    trajectories: !wantsTrajectories(request) ? [] : [{
      env_id: request.env.env_id ?? ENVIRONMENT,
      policy_id: policy_id ?? policy_name ?? "policy",
      steps: [{
        obs: { text: row.text },
        tool_calls: answer.toolCalls.map(openAiCall),
        reward: outcome,
        done: true,
        info: { ...about, finish_reason: answer.finishReason },
        output: answer.text,
        output_mode: mode,
      }],
      final: { ...about, correct },
      length: 1,
      inference_url: inference.url,
    }],
    metrics: {
      episode_returns: [outcome],
      mean_return: outcome,
      num_steps: 1,
      num_episodes: 1,
      outcome_score: outcome,
      events_score: events,
      details: { ...about, correct, answered: reading.answered, tokens: trace.tokens },
    },
    ops_executed: 1,
    trace: request.record.return_trace ? trace.toJSON(about) : null,
    pipeline_metadata: { model: inference.model, output_mode: mode },
  }, inference.url);
}

function scored<R>(rubric: R | null | undefined, score: (rubric: R) => { score: number | null }) {
  return rubric ? score(rubric).score ?? 0 : 0;
}

const app: TaskAppConfig = intentClassification({ env: (name) => Deno.env.get(name) });
export default app;
