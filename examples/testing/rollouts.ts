/** Rollouts against a model that the test plays. @module */
import { createLogger } from "@synth/core";
import {
  createTaskApp,
  type RolloutRequestInput,
  type RolloutResponse,
  TaskAppClient,
  type TaskAppConfig,
} from "@synth/task-app";
import type { ExamplePorts } from "../shared/inference.ts";

/** What a task app sent to the model. */
export interface Asked {
  readonly url: URL;
  readonly headers: Headers;
  // deno-lint-ignore no-explicit-any -- whatever it sent
  readonly body: any;
}

/** A task app in this process, and what it asked the model. */
export interface PlayedApp {
  readonly client: TaskAppClient;
  readonly asked: Asked[];
  rollout(request?: Partial<RolloutRequestInput>): Promise<RolloutResponse>;
}

/** Serves a task app whose model is a function. */
export function playedApp(
  make: (ports: ExamplePorts) => TaskAppConfig,
  model: (asked: Asked, n: number) => Response | Promise<Response>,
  options: { env?: Record<string, string> } = {},
): PlayedApp {
  const asked: Asked[] = [];
  const env = new Map(Object.entries({ INFERENCE_URL: "http://model.test", ...options.env }));
  const app = createTaskApp(
    make({
      env: (name) => env.get(name),
      fetch: (input, init) => {
        const one = {
          url: new URL(String(input)),
          headers: new Headers(init?.headers),
          body: JSON.parse(new TextDecoder().decode(init?.body as Uint8Array)),
        };
        asked.push(one);
        return Promise.resolve(model(one, asked.length - 1));
      },
    }),
    {
      env: (name) => (name === "ENVIRONMENT_API_KEY" ? "dev" : undefined),
      log: createLogger({ write: () => {} }),
    },
  );
  const client = new TaskAppClient({
    baseUrl: "http://app.test",
    apiKey: "dev",
    retries: 0,
    fetch: (input, init) => Promise.resolve(app.fetch(new Request(input, init))),
  });
  return {
    client,
    asked,
    rollout: (request = {}) =>
      client.rollout({
        run_id: "run-1",
        env: { seed: 0 },
        policy: { config: { inference_url: "http://model.test/v1?cid=trace_1" } },
        mode: "rl",
        ...request,
      }),
  };
}

/** A completion with this message. */
export function completion(message: unknown): Response {
  return Response.json({
    id: "c",
    object: "chat.completion",
    choices: [{ index: 0, message, finish_reason: "stop" }],
    usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
  });
}

/** A message with calls: a name, and the text of the arguments. */
export function calls(...list: readonly (readonly [name: string, args: string])[]): unknown {
  return {
    role: "assistant",
    content: null,
    tool_calls: list.map(([name, args], index) => ({
      id: `c${index}`,
      type: "function",
      function: { name, arguments: args },
    })),
  };
}

/** Messages that no well-behaved model sends, each with what is wrong with it. */
export const HOSTILE: readonly (readonly [what: string, message: unknown])[] = [
  ["no message", undefined],
  ["null", null],
  ["a text", "hello"],
  ["a list", []],
  ["nothing in it", {}],
  ["empty content", { role: "assistant", content: "" }],
  ["content of a wrong type", { role: "assistant", content: 7 }],
  ["parts without text", { role: "assistant", content: [{ type: "image" }, null, 3] }],
  ["calls of a wrong type", { role: "assistant", tool_calls: "classify" }],
  ["an empty call", { role: "assistant", tool_calls: [null, {}, { function: null }] }],
  ["an unknown tool", calls(["rm_rf", "{}"])],
  ["a name that is none", calls(["../../__proto__", "{}"], ["", "{}"])],
  ["arguments that are no JSON", calls(["classify", "{intent: refund"], ["move", "north"])],
  ["arguments that are no object", calls(["classify", '["a"]'], ["pick", "null"])],
  ["arguments cut short", calls(["classify", '{"intent":"refu'], ["pick", '{"item":"re'])],
  ["a prototype", calls(["classify", '{"__proto__":{"intent":"accident"}}'])],
  [
    "values of a wrong type",
    calls(["classify", '{"intent":["accident"]}'], ["pick", '{"item":{}}']),
  ],
  [
    "no intent of the list",
    calls(["classify", '{"intent":"toString"}'], ["move", '{"direction":"up"}']),
  ],
  ["deep nesting", calls(["classify", `${"[".repeat(9000)}`], ["move", '{"a":'.repeat(9000)])],
  ["a huge text", { role: "assistant", content: "{".repeat(500_000) }],
  ["many calls", calls(...Array.from({ length: 5000 }, () => ["nothing", "{}"] as const))],
];
