/** The examples as their READMEs tell to run them, and against models that play well and badly. @module */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { parse } from "../examples/intent_classification/dataset.ts";
import { evaluate } from "../examples/shared/evaluation.ts";
import { explorer } from "../examples/testing/explorer.ts";
import { createLogger, SynthError } from "@synth/core";
import { validateTaskAppEndpoint } from "@synth/task-app";
import { InProcessTaskApp } from "@synth/task-app/in-process";
import { scriptedConfig, startGatewayProcess } from "./support/gateway_process.ts";
import { type ProgramResult, runProgram } from "./support/run_program.ts";
import { type RecordedRequest, startUpstream } from "./support/scripted_upstream.ts";
import { temporaryDirectory } from "./support/synth_process.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const UTTERANCES = parse(
  await Deno.readTextFile(`${ROOT}examples/intent_classification/data/utterances.jsonl`),
);

interface Report {
  results: { seed: number; reward: number | null; error: { code: string } | null }[];
  failed: number;
  skipped: number;
  mean_return: number | null;
}

/** A port that is free now: the README names fixed ones, which others on this machine may have. Outgoing connections take none of these. */
function freePort(): number {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

/** What Deno needs to find its cache. */
function denoEnv(): Record<string, string> {
  const names = /^(?:HOME|DENO_.*|XDG_CACHE_HOME|TMPDIR)$/;
  return Object.fromEntries(
    Object.entries(Deno.env.toObject()).filter(([name]) => names.test(name)),
  );
}

/** All that is to be typed in a README, in its order. */
async function readmeScript(name: string): Promise<string> {
  const text = await Deno.readTextFile(`${ROOT}examples/${name}/README.md`);
  const blocks = [...text.matchAll(/^```bash\n([\s\S]*?)^```$/gm)].map(([, code = ""]) => code);
  assertEquals(blocks.length, 3);
  return blocks.join("\n");
}

for (
  const [name, mean] of [
    // synth-demo names the first intent of the list, whatever it is asked.
    ["intent_classification", meanOfFirst("train", 12)],
    ["warehouse", 0],
  ] as const
) {
  Deno.test(`examples/${name}/README.md runs as written`, async () => {
    await using home = await temporaryDirectory();
    const gateway = freePort();
    const app = freePort();
    const script = (await readmeScript(name)).replaceAll("8787", String(gateway))
      .replaceAll("8001", String(app));
    const result = await runProgram("bash", {
      args: ["-c", `set -e; trap 'kill $(jobs -p) 2>/dev/null || true' EXIT; ${script}\nwait\n`],
      cwd: ROOT,
      env: {
        ...denoEnv(),
        NO_COLOR: "1",
        SYNTH_HOME: home.path,
        // In place of the ports that stand nowhere in the text.
        SYNTH_GATEWAY_PORT: String(gateway),
        TASK_APP_URL: `http://127.0.0.1:${app}`,
      },
      deadline: 120_000,
    });
    const said = `${result.stdout}\n${result.stderr}`;
    assertEquals(result.code, 0, said);
    // The table of evaluate.ts, then the JSON of main.ts.
    const rows = [...result.stdout.matchAll(/^ +\d+ +[01]\.\d{3} .*$/gm)];
    assertEquals(rows.length, 12, said);
    assertMatch(result.stdout, /^mean +0\.\d{3} /m);
    const report = reportOf(result);
    assertEquals([report.results.length, report.failed, report.mean_return], [12, 0, mean]);
  });
}

for (const name of ["intent_classification", "warehouse"]) {
  Deno.test(`examples/${name} is what a trainer asks of a task app before it begins`, async () => {
    await using app = await InProcessTaskApp.start({
      taskAppPath: `${ROOT}examples/${name}/task_app.ts`,
      tunnelMode: "local",
      port: 0,
      apiKey: "dev",
      handleSignals: false,
      records: false,
      log: createLogger({ write: () => {} }),
    });
    const report = await validateTaskAppEndpoint(app.url ?? "", { apiKey: "dev" });
    assertEquals(report.overall, true, JSON.stringify(report));
  });
}

Deno.test("docs/task-apps.md leads a newcomer by the commands that the README tells", async () => {
  const page = await Deno.readTextFile(`${ROOT}docs/task-apps.md`);
  const blocks = [...page.matchAll(/^```bash\n([\s\S]*?)^```$/gm)].map(([, code = ""]) => code);
  assertEquals(blocks.length, 1);
  const script = await readmeScript("intent_classification");
  assert(script.startsWith(blocks[0] ?? "?"));
});

/** Runs `main.ts` of an example against an inference URL. */
async function runMain(
  name: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<ProgramResult> {
  const allowed = ["--allow-net=127.0.0.1", "--allow-env", "--allow-read"];
  return await runProgram(Deno.execPath(), {
    args: ["run", "--no-prompt", ...allowed, `examples/${name}/main.ts`, "--json", ...args],
    cwd: ROOT,
    env: { ...denoEnv(), NO_COLOR: "1", ...env },
  });
}

function reportOf({ stdout, stderr }: ProgramResult): Report {
  const line = stdout.split("\n").find((one) => one.startsWith('{"run"'));
  assert(line !== undefined, stdout + stderr);
  return JSON.parse(line);
}

function meanOfFirst(split: string, count: number): number {
  const rows = (UTTERANCES.splits.get(split) ?? []).slice(0, count);
  return rows.filter(({ label }) => label === UTTERANCES.intents[0]).length / count;
}

function answer(message: unknown) {
  const completion = {
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1,
    model: "mock-player",
    choices: [{ index: 0, message, finish_reason: "stop" }],
    usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
  };
  return {
    status: 200,
    headers: { "content-type": "application/json" },
    steps: [JSON.stringify(completion)],
  };
}

function call(name: string, args: object): unknown {
  const call = { id: "c1", type: "function", function: { name, arguments: JSON.stringify(args) } };
  return { role: "assistant", content: null, tool_calls: [call] };
}

function messagesOf(body: RecordedRequest["body"]): { role: string; content: string }[] {
  return body["messages"] as { role: string; content: string }[];
}

/** Knows the data set by heart. */
function perfectClassifier({ body }: RecordedRequest) {
  const text = messagesOf(body)[1]?.content;
  const row = [...UTTERANCES.splits.values()].flat().find((one) => one.text === text);
  return answer(call("classify", { intent: row?.label }));
}

/** Knows what the tools said in this conversation: it plays it again up to here. */
function perfectWorker({ body }: RecordedRequest) {
  const player = explorer();
  let step = player.next();
  for (const { role, content } of messagesOf(body)) {
    if (role === "tool" && !step.done) step = player.next(content);
  }
  if (step.done) return answer({ role: "assistant", content: "I have finished." });
  const { tool, ...args } = step.value;
  return answer(call(tool, args));
}

for (
  const [name, player, seeds, least] of [
    ["intent_classification", perfectClassifier, "0:24", "1"],
    ["warehouse", perfectWorker, "0:4", "0.9"],
  ] as const
) {
  Deno.test(`examples/${name} scores a model that plays well near 1, behind the gateway and alone`, async () => {
    await using upstream = await startUpstream({ reply: player });
    await using gateway = await startGatewayProcess({ config: scriptedConfig(upstream.baseUrl) });
    const args = ["--seeds", seeds, "--model", "mock-player", "--min-score", least, "--mode"];
    // In RL mode URLs have a query, which this upstream takes for another path.
    const ways = [["rl", gateway.origin], ["eval", upstream.baseUrl]] as const;
    for (const [mode, url] of ways) {
      const result = await runMain(name, [...args, mode], {
        INFERENCE_URL: url,
        INFERENCE_API_KEY: gateway.apiKey,
      });
      assertEquals(result.code, 0, result.stdout + result.stderr);
      assertEquals(reportOf(result).failed, 0);
    }
  });

  Deno.test(`examples/${name} scores a model that plays badly 0, and --min-score is exit code 6`, async () => {
    await using upstream = await startUpstream({
      reply: () => answer({ role: "assistant", content: '{"tool": "no JSON' }),
    });
    for (const mode of ["tool_calls", "structured", "text"]) {
      const args = ["--seeds", "0:3", "--mode", "eval", "--min-score", "0.1"];
      const result = await runMain(name, [...args, "--output-mode", mode], {
        INFERENCE_URL: upstream.baseUrl,
      });
      assertEquals(result.code, 6, result.stdout + result.stderr);
      const { mean_return, failed } = reportOf(result);
      assertEquals([mean_return, failed], [0, 0]);
    }
  });
}

Deno.test("the examples' commands tell a wrong use, a wrong key and an absent server by exit codes", async () => {
  await using gateway = await startGatewayProcess({ config: "" });
  const run = (args: string[], env: Record<string, string> = {}) =>
    runMain("intent_classification", args, { INFERENCE_URL: gateway.origin, ...env });
  assertEquals((await run(["--seeds", "5:1"])).code, 2);
  assertEquals((await run(["--nonsense"])).code, 2);
  const help = await run(["--help"]);
  assertEquals(help.code, 0);
  assertStringIncludes(help.stdout, "--split");
  // The gateway refuses a key that it does not know: the first rollout says it for all.
  const wrong = await run(["--seeds", "0:50", "--concurrency", "1"], {
    INFERENCE_API_KEY: "wrong",
  });
  assertEquals(wrong.code, 4, wrong.stderr);
  const { failed, skipped } = reportOf(wrong);
  assertEquals([failed, skipped], [1, 49]);
  assertEquals(wrong.stdout.includes("wrong"), false);

  const evaluateIt = (env: Record<string, string>, ...args: string[]) =>
    runProgram(Deno.execPath(), {
      args: ["run", "--no-prompt", "--allow-net=127.0.0.1", "--allow-env"].concat(
        "examples/warehouse/evaluate.ts",
        args,
      ),
      cwd: ROOT,
      env: { ...denoEnv(), NO_COLOR: "1", ...env },
    });
  const url = `http://127.0.0.1:${freePort()}`;
  const absent = await evaluateIt({}, "--url", url, "--wait", "0");
  assertEquals(absent.code, 69, absent.stderr);
  assertStringIncludes(absent.stderr, "[task_app_unavailable]");
});

Deno.test("evaluate stops at a budget that is used up, and counts no failure as a score", async () => {
  const budget = new SynthError("used up", { code: "inference_budget_exceeded", status: 429 });
  let calls = 0;
  const evaluation = await evaluate({
    client: {
      rollout: (request) => {
        const n = calls++;
        if (n === 2) return Promise.reject(budget);
        return Promise.resolve({
          run_id: String(request.run_id),
          trajectories: [],
          branches: {},
          metrics: {
            episode_returns: [1],
            mean_return: 1,
            num_steps: 1,
            num_episodes: 1,
            details: {},
            reward_mean: 1,
            outcome_reward: 1,
          },
          aborted: false,
          ops_executed: 1,
          pipeline_metadata: {},
        });
      },
    },
    seeds: [5, 6, 7, 8, 9],
    concurrency: 1,
    request: (seed) => ({ run_id: `r-${seed}`, env: { seed }, policy: {}, mode: "eval" }),
  });
  assertEquals([evaluation.exit_code, evaluation.failed, evaluation.skipped], [5, 1, 2]);
  assertEquals([evaluation.mean_return, evaluation.results.length], [1, 3]);
});
