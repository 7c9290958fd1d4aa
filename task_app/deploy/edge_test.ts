import { assertEquals } from "@std/assert";
import { createTaskApp } from "../server/task_app.ts";
import { edgeTaskApp } from "./edge.ts";

const info = { task: { id: "echo", name: "Echo" }, environment: "echo" };
const config = {
  appId: "echo",
  name: "Echo",
  description: "",
  baseTaskInfo: info,
  describeTaskset: () => ({ size: 1 }),
  provideTaskInstances: (seeds: readonly number[]) => seeds.map(() => info),
  rollout: () => ({ metrics: { reward_mean: 1 } }),
};

function ask(key: string): Request {
  return new Request("https://app.example/health", { headers: { "x-api-key": key } });
}

Deno.test("edgeTaskApp serves a configuration with the key among the bindings", async () => {
  const app = edgeTaskApp({ config }, "app.ts");
  const bindings = { ENVIRONMENT_API_KEY: "key-of-the-worker", OTHER: {} };
  assertEquals((await app.fetch(ask("key-of-the-worker"), bindings)).status, 200);
  assertEquals((await app.fetch(ask("another"), bindings)).status, 401);
});

Deno.test("edgeTaskApp takes nothing that bindings inherit for a variable", async () => {
  const app = edgeTaskApp({ config }, "app.ts");
  const bindings = Object.create({ ENVIRONMENT_API_KEY: "inherited" });
  assertEquals((await app.fetch(ask("inherited"), bindings)).status === 200, false);
});

Deno.test("edgeTaskApp serves apps, handlers and factories as they are", async () => {
  const own = createTaskApp(config, { env: (name) => name === "ENVIRONMENT_API_KEY" ? "own" : "" });
  assertEquals((await edgeTaskApp({ default: own }, "app.ts").fetch(ask("own"), {})).status, 200);
  const handler = (request: Request) => new Response(new URL(request.url).pathname);
  const plain = await edgeTaskApp({ default: handler }, "app.ts").fetch(ask("x"), undefined);
  assertEquals(await plain.text(), "/health");
  const made = edgeTaskApp({ createApp: () => ({ fetch: handler }) }, "app.ts");
  assertEquals(await (await made.fetch(ask("x"))).text(), "/health");
});

Deno.test("edgeTaskApp says that there is nothing to serve", async () => {
  const response = await edgeTaskApp({ a: 1 }, "app.ts").fetch(ask("x"), {});
  assertEquals([response.status, (await response.json()).error.code], [500, "task_app_missing"]);
});
