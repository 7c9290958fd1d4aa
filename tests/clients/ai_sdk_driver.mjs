// Runs the AI SDK in Node: reads jobs from standard input, writes what came of them to standard output.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const { sdk, origin, apiKey, jobs } = JSON.parse(readFileSync(0, "utf8"));
const require = createRequire(`${sdk}/package.json`);
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { generateText, streamText, tool, jsonSchema, stepCountIs } = await load("ai");

const PROVIDERS = {
  async openai() {
    const { createOpenAI } = await load("@ai-sdk/openai");
    return createOpenAI({ baseURL: `${origin}/v1`, apiKey });
  },
  async "open-responses"() {
    const { createOpenResponses } = await load("@ai-sdk/open-responses");
    return createOpenResponses({ url: `${origin}/v1/responses`, name: "synth", apiKey });
  },
  async "openai-compatible"() {
    const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible");
    return createOpenAICompatible({
      baseURL: `${origin}/v1`,
      name: "synth",
      apiKey,
      includeUsage: true,
    });
  },
};

const results = [];
for (const job of jobs) {
  try {
    results.push(await run(job));
  } catch (error) {
    const { name, message, statusCode = null, isRetryable = null } = error;
    results.push({ error: { name, message, statusCode, isRetryable } });
  }
}
process.stdout.write(JSON.stringify(results));

async function run({ provider, mode, model, prompt, store }) {
  const ran = [];
  const options = {
    model: (await PROVIDERS[provider]())(model),
    prompt,
    maxRetries: 0,
    stopWhen: stepCountIs(4),
    providerOptions: { openai: { store, forceReasoning: true, reasoningSummary: "auto" } },
    tools: {
      get_weather: tool({
        description: "The weather of a city",
        inputSchema: jsonSchema({
          type: "object",
          properties: { city: { type: "string" } },
          required: ["city"],
        }),
        execute(input) {
          ran.push(input);
          return { sky: `clear over ${input.city}` };
        },
      }),
    },
  };
  if (mode === "generate") return { ran, ...await told(await generateText(options)) };
  const errors = [];
  const result = streamText({ ...options, onError: ({ error }) => errors.push(error) });
  let deltas = "";
  for await (const part of result.textStream) deltas += part;
  if (errors.length > 0) throw errors[0];
  return { ran, deltas, ...await told(result) };
}

async function told(result) {
  const [text, steps, finishReason, totalUsage] = await Promise.all([
    result.text,
    result.steps,
    result.finishReason,
    result.totalUsage,
  ]);
  return {
    text,
    finishReason,
    steps: steps.map((step) => ({
      finishReason: step.finishReason,
      reasoning: step.reasoningText ?? "",
      calls: step.toolCalls.map(({ toolName, input }) => ({ toolName, input })),
    })),
    tokens: [totalUsage.inputTokens, totalUsage.outputTokens],
  };
}
