/**
 * A task of many steps: fetch an order in a warehouse of which one sees only a part. `synth serve` and `InProcessTaskApp` take this file as it is.
 *
 * @module
 */
import { SynthError } from "@synth/core";
import {
  includeInferenceUrl,
  parseStrictRubric,
  type RolloutContext,
  type RolloutRequest,
  type RolloutResponseInput,
  scoreEvents,
  scoreOutcome,
  type TaskAppConfig,
  type TaskInfoInput,
} from "@synth/task-app";
import { type ExamplePorts, inferenceOf } from "../shared/inference.ts";
import { rubricInfo } from "../shared/rubric_info.ts";
import { Trace, wantsTrajectories } from "../shared/trace.ts";
import { play } from "./episode.ts";
import eventsRubric from "./rubrics/events.json" with { type: "json" };
import outcomeRubric from "./rubrics/outcome.json" with { type: "json" };
import { ACHIEVEMENTS, type Progress, Warehouse } from "./warehouse.ts";
import type { Difficulty } from "./world.ts";

const ENVIRONMENT = "warehouse";
const RUBRICS = {
  outcome: parseStrictRubric(outcomeRubric),
  events: parseStrictRubric(eventsRubric),
};

/** The task app. What it reads and calls comes in from outside, so that tests can give their own. */
export function warehouseApp(ports: ExamplePorts): TaskAppConfig {
  const instance = (id: string, metadata: TaskInfoInput["task_metadata"]): TaskInfoInput => ({
    task: { id, name: "Warehouse", version: "1" },
    environment: ENVIRONMENT,
    rubric: rubricInfo(RUBRICS),
    inference: { model: ports.env("INFERENCE_MODEL") || "synth-demo" },
    task_metadata: metadata,
  });
  return {
    appId: "warehouse",
    name: "Warehouse",
    description: "Fetch, pack and submit an order in a warehouse of which one sees only a part",
    baseTaskInfo: instance("warehouse", {}),
    rubrics: RUBRICS,
    describeTaskset: () => ({
      id: "warehouse",
      name: "Warehouse",
      description: "Every seed is a warehouse: easy, medium and hard in turns",
      difficulties: ["easy", "medium", "hard"],
    }),
    *provideTaskInstances(seeds) {
      for (const seed of seeds) {
        const { world, par, maxActions } = new Warehouse(seed, { score: scoreOf });
        const { difficulty, order, bays } = world;
        yield {
          ...instance(`warehouse-${seed}`, {
            seed,
            difficulty,
            bays: bays.length,
            items: order.length,
            par,
          }),
          limits: { max_turns: maxActions },
        };
      }
    },
    rollout: (request, context) => rollout(request, context, ports),
  };
}

/** What progress is worth, by the rubric. */
export function scoreOf(progress: Progress): number {
  return scoreOutcome(RUBRICS.outcome, { ...progress }).score ?? 0;
}

async function rollout(
  request: RolloutRequest,
  context: RolloutContext,
  ports: ExamplePorts,
): Promise<RolloutResponseInput> {
  const { env, policy } = request;
  const difficulty = difficultyOf(env.config["difficulty"]);
  const warehouse = new Warehouse(env.seed ?? 0, { difficulty, score: scoreOf });
  const inference = inferenceOf(request, ports);
  const trace = new Trace(request, context, inference);
  const { steps, reason, ops } = await play({
    request,
    context,
    ports,
    inference,
    warehouse,
    trace,
  });

  const { score, progress, world, par, actions } = warehouse;
  const achievements = [...warehouse.achievements];
  const events = scoreEvents(RUBRICS.events, [
    ...ACHIEVEMENTS.map((id) => ({ criterion_id: id, score: +warehouse.achievements.has(id) })),
    { criterion_id: "valid_actions", score: warehouse.validity },
  ]).score ?? 0;
  const about = { seed: world.seed, difficulty: world.difficulty, end_reason: reason };
  const details = { ...about, ...progress, achievements, actions, par };
  return includeInferenceUrl({
    run_id: request.run_id,
    trajectories: !wantsTrajectories(request) ? [] : [{
      env_id: env.env_id ?? ENVIRONMENT,
      policy_id: policy.policy_id ?? policy.policy_name ?? "policy",
      steps: [...steps],
      final: details,
      length: steps.length,
      inference_url: inference.url,
    }],
    metrics: {
      episode_returns: [score],
      mean_return: score,
      num_steps: steps.length,
      num_episodes: 1,
      outcome_score: score,
      events_score: events,
      details: { ...details, tokens: trace.tokens },
    },
    aborted: reason === "max_ops",
    ops_executed: ops,
    trace: request.record.return_trace ? trace.toJSON(about) : null,
    pipeline_metadata: { model: inference.model, output_mode: policy.output_mode },
  }, inference.url);
}

function difficultyOf(value: unknown): Difficulty | undefined {
  if (value === undefined || value === null) return undefined;
  if (value === "easy" || value === "medium" || value === "hard") return value;
  throw new SynthError("The difficulty is easy, medium or hard", {
    code: "invalid_difficulty",
    status: 400,
    param: "env.config.difficulty",
  });
}

const app: TaskAppConfig = warehouseApp({ env: (name) => Deno.env.get(name) });
export default app;
