import { assert, assertEquals, assertNotStrictEquals, assertThrows } from "@std/assert";
import { SynthError } from "@synth/core";
import { type Answer, echoConfig, instance } from "../testing/echo_app.ts";
import { cloneTaskAppConfig, normalizeTaskAppConfig } from "./normalize_config.ts";
import type { SnakeTaskAppConfig } from "./task_app_config.ts";

function refusal(config: Answer): string {
  const error = assertThrows(() => normalizeTaskAppConfig(config), SynthError);
  assertEquals([error.code, error.exitCode], ["invalid_task_app_config", 2]);
  return error.param ?? "";
}

Deno.test("normalizeTaskAppConfig takes the original's spelling", () => {
  const { describeTaskset, provideTaskInstances, rollout } = echoConfig();
  const snake: SnakeTaskAppConfig = {
    app_id: "echo",
    name: "Echo",
    description: "",
    base_task_info: instance("echo"),
    describe_taskset: describeTaskset,
    provide_task_instances: provideTaskInstances,
    rollout,
    require_api_key: false,
    cors_origins: null,
    rubrics: null,
    app_state: { sft_output_dir: "out" },
    proxy: { enable_openai: true, system_hint: "be brief" },
  };
  const config = normalizeTaskAppConfig(snake);
  assertEquals(config.appId, "echo");
  assertEquals(config.requireApiKey, false);
  assertEquals(config.proxy, { enableOpenai: true, systemHint: "be brief" });
  assertEquals(config.appState, { sft_output_dir: "out" });
  assertEquals(config.corsOrigins, undefined);
  assertEquals(config.rubrics, undefined);
  assertEquals(config.baseTaskInfo.task_metadata, {});
});

Deno.test("normalizeTaskAppConfig refuses a mistyped or doubled field: it may be the one that asks for a key", () => {
  assertEquals(refusal({ ...echoConfig(), requireApikey: true }), "requireApikey");
  assertEquals(
    refusal({ ...echoConfig(), require_api_key: true, requireApiKey: true }),
    "requireApiKey",
  );
  assertEquals(refusal({ ...echoConfig(), requireApiKey: "no" }), "requireApiKey");
  assertEquals(refusal({ ...echoConfig(), rollout: 3 }), "rollout");
  assertEquals(refusal({ ...echoConfig(), appId: "a b" }), "appId");
  assertEquals(refusal({ ...echoConfig(), baseTaskInfo: {} }), "baseTaskInfo.task");
  assertEquals(refusal({ ...echoConfig(), limits: { maxSeeds: 0 } }), "limits.maxSeeds");
  assertEquals(refusal({ ...echoConfig(), limits: { maxSeed: 1 } }), "limits.maxSeed");
  assertEquals(refusal({ ...echoConfig(), proxy: { openaiUrl: "file:///x" } }), "proxy.openaiUrl");
  assertEquals(refusal(null), "");
});

Deno.test("normalizeTaskAppConfig keeps the this of a class", async () => {
  class App {
    appId = "counted";
    name = "n";
    description = "d";
    baseTaskInfo = instance("counted");
    calls = 0;
    describeTaskset() {
      return { calls: ++this.calls };
    }
    provideTaskInstances() {
      return [];
    }
    rollout() {
      return { metrics: { reward_mean: 1 } };
    }
  }
  const config = normalizeTaskAppConfig(new App());
  assertEquals(await config.describeTaskset(), { calls: 1 });
});

Deno.test("cloneTaskAppConfig gives lists and state of its own", () => {
  const original = echoConfig({ appState: { a: 1 }, startupHooks: [], routers: [] });
  const clone = cloneTaskAppConfig(original);
  const state = clone.appState ?? {};
  state["a"] = 2;
  assertEquals(original.appState, { a: 1 });
  assertNotStrictEquals(clone.startupHooks, original.startupHooks);
  assertNotStrictEquals(clone.routers, original.routers);
  // The original's clone turned "no CORS" into "CORS for all".
  assert(clone.corsOrigins === undefined);
});
