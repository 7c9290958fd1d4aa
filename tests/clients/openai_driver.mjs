// Runs the openai package in Node: reads jobs from standard input, writes what came of them to standard output.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { sdk, baseURL, apiKey, maxRetries, jobs } = JSON.parse(readFileSync(0, "utf8"));
const { default: OpenAI } = await import(pathToFileURL(`${sdk}/node_modules/openai/index.mjs`));
const client = new OpenAI({ baseURL, apiKey, maxRetries });

const results = [];
for (const job of jobs) {
  try {
    results.push(await run(job));
  } catch (error) {
    const { status = null, code = null, type = null, message } = error;
    results.push({ error: { name: error.constructor.name, status, code, type, message } });
  }
}
process.stdout.write(JSON.stringify(results));

async function run({ mode, body }) {
  if (mode === "unary") return { response: await client.responses.create(body) };
  if (mode === "models") return { response: (await client.models.list()).data };
  if (mode === "abort") {
    const stream = client.responses.stream(body);
    for await (const event of stream) {
      if (event.type !== "response.output_text.delta") continue;
      stream.abort();
      break;
    }
    return { response: null };
  }
  const stream = client.responses.stream(body);
  let text = "";
  stream.on("response.output_text.delta", (event) => text += event.delta);
  return { response: await stream.finalResponse(), text };
}
