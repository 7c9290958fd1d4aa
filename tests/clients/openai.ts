/** The openai package, 7 and 6, in Node: streams and unary over every scripted case. @module */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { frame, gate, httpError, sse, text } from "../support/chat_replies.ts";
import { compareError, compareResponse } from "../support/compare_case.ts";
import {
  type RunningGateway,
  scriptedConfig,
  startGatewayProcess,
} from "../support/gateway_process.ts";
import { installClient } from "../support/install.ts";
import { isRecord, type Rec } from "../support/response_shape.ts";
import { runProgram } from "../support/run_program.ts";
import { CASES, type Expectation, TOOLS } from "../support/scripted_cases.ts";
import { startUpstream } from "../support/scripted_upstream.ts";
import { startTap } from "../support/tap.ts";

interface Job {
  mode: "stream" | "unary" | "models" | "abort";
  body?: Rec;
}

interface Outcome {
  response?: Rec | Rec[] | null;
  text?: string;
  error?: { name: string; status: number | null; code: string; type: string; message: string };
}

const SDKS = ["openai7", "openai6"] as const;

/** Cases that the gateway asks the upstream for once; the others wait between attempts. */
const QUICK = [...CASES].filter(([, scripted]) => !scripted.slow && !scripted.retried);

async function drive(
  sdk: (typeof SDKS)[number],
  origin: string,
  gateway: RunningGateway,
  jobs: Job[],
  maxRetries = 0,
): Promise<Outcome[]> {
  const dir = await installClient(sdk);
  const driver = new URL("openai_driver.mjs", import.meta.url).pathname;
  const { code, stdout, stderr } = await runProgram("node", {
    args: [driver],
    cwd: dir,
    env: {},
    stdin: JSON.stringify({
      sdk: dir,
      baseURL: `${origin}/v1`,
      apiKey: gateway.apiKey,
      maxRetries,
      jobs,
    }),
    deadline: 120_000,
  });
  assertEquals(code, 0, stderr);
  return JSON.parse(stdout);
}

function request(model: string): Rec {
  return { model, input: "hi", tools: TOOLS };
}

/** What differs from the expectation, in words. */
function compare(name: string, expected: Expectation, outcome: Outcome, unary: boolean): string[] {
  const { response, error } = outcome;
  const refused = expected.status === "http" || (unary && expected.status === "failed");
  if (refused) {
    if (error === undefined) return [`${name}: no error but ${JSON.stringify(response)}`];
    const body = { error: { ...error, param: null } };
    return compareError(expected, error.status ?? 0, body).map((p) => `${name}: ${p}`);
  }
  // The package throws where an error event goes before response.failed, which an upstream's own error makes.
  if (expected.status === "failed" && error !== undefined) return [];
  if (!isRecord(response)) return [`${name}: ${JSON.stringify(error)}`];
  return compareResponse(expected, response).map((problem) => `${name}: ${problem}`);
}

for (const sdk of SDKS) {
  Deno.test(`${sdk}: stream and unary give what is expected of every scripted case`, async () => {
    await using upstream = await startUpstream();
    await using gateway = await startGatewayProcess({ config: scriptedConfig(upstream.baseUrl) });
    await using tap = startTap(gateway.origin);
    const jobs = QUICK.flatMap(([name]): Job[] => [
      { mode: "stream", body: request(`mock-${name}`) },
      { mode: "unary", body: request(`mock-${name}`) },
    ]);
    const outcomes = await drive(sdk, tap.origin, gateway, jobs);
    assertEquals(outcomes.length, jobs.length);
    const problems = QUICK.flatMap(([name, { expect }], n) => [
      ...compare(`${name} streamed`, expect, outcomes[2 * n] ?? {}, false),
      ...compare(`${name} unary`, expect, outcomes[2 * n + 1] ?? {}, true),
    ]);
    assertEquals([...problems, ...await tap.problems()], []);
  });

  Deno.test(`${sdk}: the text of the deltas is the text of the final response`, async () => {
    await using upstream = await startUpstream();
    await using gateway = await startGatewayProcess({ config: scriptedConfig(upstream.baseUrl) });
    const jobs: Job[] = ["text", "utf8", "reasoning", "text-tool-text"]
      .map((name) => ({ mode: "stream", body: request(`mock-${name}`) }));
    for (const { response, text } of await drive(sdk, gateway.origin, gateway, jobs)) {
      assert(isRecord(response));
      assertEquals(text, response.output_text);
    }
  });

  Deno.test(`${sdk}: the models can be listed`, async () => {
    await using upstream = await startUpstream();
    await using gateway = await startGatewayProcess({ config: scriptedConfig(upstream.baseUrl) });
    const [outcome] = await drive(sdk, gateway.origin, gateway, [{ mode: "models" }]);
    assertStringIncludes(JSON.stringify(outcome?.response), '"synth-small"');
  });

  Deno.test(`${sdk}: an unknown model is a 4xx that names it`, async () => {
    await using upstream = await startUpstream();
    await using gateway = await startGatewayProcess({ config: scriptedConfig(upstream.baseUrl) });
    const jobs: Job[] = [{ mode: "stream", body: request("no-such-model") }];
    const [outcome] = await drive(sdk, gateway.origin, gateway, jobs);
    assert([400, 404].includes(outcome?.error?.status ?? 0), JSON.stringify(outcome));
    assertStringIncludes(outcome?.error?.message ?? "", "no-such-model");
    assertEquals(upstream.requests.length, 0);
  });

  Deno.test(`${sdk}: a wrong key and a bad field are the package's own errors`, async () => {
    await using upstream = await startUpstream();
    await using gateway = await startGatewayProcess({ config: scriptedConfig(upstream.baseUrl) });
    const jobs: Job[] = [{ mode: "stream", body: { ...request("mock-text"), temperature: "hot" } }];
    const [bad] = await drive(sdk, gateway.origin, gateway, jobs);
    assertEquals([bad?.error?.name, bad?.error?.status], ["BadRequestError", 400]);
    assertStringIncludes(bad?.error?.message ?? "", "temperature");
    const stranger = { ...gateway, apiKey: "sk-synth-of-nobody" };
    const [denied] = await drive(sdk, gateway.origin, stranger, jobs);
    assertEquals([denied?.error?.name, denied?.error?.status], ["AuthenticationError", 401]);
    assertEquals(upstream.requests.length, 0);
  });

  Deno.test(`${sdk}: an abort of the client reaches the upstream`, async () => {
    const held = gate();
    await using upstream = await startUpstream();
    upstream.enqueue(sse([frame(text("first")), { wait: held.promise }, frame(text("never"))]));
    await using gateway = await startGatewayProcess({ config: scriptedConfig(upstream.baseUrl) });
    const jobs: Job[] = [{ mode: "abort", body: request("mock-any") }];
    assertEquals(await drive(sdk, gateway.origin, gateway, jobs), [{ response: null }]);
    await (await upstream.request(0)).closed;
    held.open();
  });

  Deno.test(`${sdk}: what the gateway gives up on, the package tries again`, async () => {
    const busy = httpError(429, "slow down", null, { "retry-after": "1" });
    await using upstream = await startUpstream();
    upstream.enqueue(...Array.from({ length: 4 }, () => busy));
    await using gateway = await startGatewayProcess({ config: scriptedConfig(upstream.baseUrl) });
    await using tap = startTap(gateway.origin);
    const jobs: Job[] = [{ mode: "stream", body: request("mock-text") }];
    const [outcome] = await drive(sdk, tap.origin, gateway, jobs, 4);
    assert(isRecord(outcome?.response), JSON.stringify(outcome));
    assertEquals(outcome.response.status, "completed");
    assertEquals(upstream.requests.length, 5);
    assertEquals(tap.exchanges.map((exchange) => exchange.status), [429, 200]);
    assertEquals(tap.exchanges[0]?.answerHeaders.get("retry-after"), "1");
  });
}
