import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { silentLogger, SynthError } from "@synth/core";
import { createTaskApp } from "../server/task_app.ts";
import { FACTORY_EXPORTS, findTaskApp, loadTaskApp, VALUE_EXPORTS } from "./load_task_app.ts";
import { echoConfig, KEY, keyed } from "./testing/doubles.ts";
import { validateTaskApp } from "./validate_task_app.ts";

async function found(exports: Record<string, unknown>): Promise<string | undefined> {
  const one = await findTaskApp(exports, "app.ts");
  return one === undefined ? undefined : `${one.kind} ${one.found}`;
}

Deno.test("findTaskApp looks at values, then at factories, each in the documented order", async () => {
  const all: [string, unknown][] = [...FACTORY_EXPORTS].reverse().map((name) => [name, echoConfig]);
  for (const name of [...VALUE_EXPORTS].reverse()) all.push([name, echoConfig()]);
  for (const name of VALUE_EXPORTS) {
    assertEquals(await found(Object.fromEntries(all)), `config ${name}`);
    all.splice(all.findIndex(([one]) => one === name), 1);
  }
  for (const name of FACTORY_EXPORTS) {
    assertEquals(await found(Object.fromEntries(all)), `config ${name}()`);
    all.splice(all.findIndex(([one]) => one === name), 1);
  }
  assertEquals(await found(Object.fromEntries(all)), undefined);
});

Deno.test("findTaskApp tells handlers, apps, configurations and factories apart", async () => {
  const cases: [Record<string, unknown>, string | undefined][] = [
    [{ default: keyed }, "app default"],
    [{ default: () => new Response() }, "app default"],
    [{ default: { fetch: keyed } }, "app default"],
    [{ app: createTaskApp(echoConfig()) }, "app app"],
    [{ default: () => ({ fetch: keyed }) }, "app default"],
    [{ config: echoConfig() }, "config config"],
    [{ config: { app_id: "a", rollout: () => {} } }, "config config"],
    [{ buildConfig: () => Promise.resolve(echoConfig()) }, "config buildConfig()"],
    [{ create_app: () => keyed }, "app create_app()"],
    [{ default: 1, app: null, config: [], task: echoConfig() }, undefined],
    [{ default: { appId: "no rollout" } }, undefined],
  ];
  for (const [exports, wanted] of cases) assertEquals(await found(exports), wanted);
});

Deno.test("loadTaskApp lists what it found when there is no task app", async () => {
  await using file = await module("export const a = 1; export const list = []; export class B {}");
  const error = await assertRejects(() => loadTaskApp(file.path), SynthError);
  assertEquals([error.code, error.exitCode], ["task_app_missing", 2]);
  assertStringIncludes(error.message, "B (function), a (number), list (array)");
});

Deno.test("loadTaskApp takes a registered app by APP_ID, else by the file's name", async () => {
  await using file = await module("export {};");
  const asked: string[] = [];
  const lookup = (appId: string) => {
    asked.push(appId);
    return appId === "my app" ? echoConfig() : undefined;
  };
  const loaded = await loadTaskApp(file.path, { appId: "other", lookup });
  assertEquals([loaded.kind, loaded.found], ["config", "registry: my app"]);
  assertEquals(asked, ["other", "my app"]);
});

Deno.test("loadTaskApp says why a file cannot be loaded", async () => {
  await using broken = await module("throw new Error('at import');");
  await using factory = await module("export const buildConfig = () => { throw new Error('no') };");
  const cases: [string, string, number, string][] = [
    ["none.ts", "task_app_file_not_found", 3, "none.ts"],
    ["app.py", "task_app_file_invalid", 2, "app.py"],
    [broken.path, "task_app_import_failed", 1, "at import"],
    [factory.path, "task_app_factory_failed", 1, "buildConfig() of my app.ts failed: no"],
  ];
  for (const [path, code, exitCode, text] of cases) {
    const error = await assertRejects(() => loadTaskApp(path), SynthError);
    assertEquals([error.code, error.exitCode], [code, exitCode]);
    assertStringIncludes(error.message, text);
  }
});

Deno.test("validateTaskApp finds every route of the contract, and names those that are missing", async () => {
  const app = createTaskApp(echoConfig(), { env: () => KEY, log: silentLogger });
  const checks = await validateTaskApp(app, { apiKey: KEY });
  assertEquals(checks.map(({ path, ok }) => `${path} ${ok}`), [
    "/ true",
    "/health true",
    "/info true",
    "/task_info true",
    "/rollout true",
  ]);
  const partial = (request: Request) =>
    new Response("", { status: /\/(?:health)?$/.test(request.url) ? 200 : 404 });
  const error = await assertRejects(() => validateTaskApp(partial, { apiKey: null }), SynthError);
  assertEquals([error.code, error.exitCode], ["task_app_incomplete", 6]);
  assertStringIncludes(
    error.message,
    "GET /info (404), GET /task_info (404), POST /rollout (404)",
  );
});

async function module(text: string): Promise<AsyncDisposable & { readonly path: string }> {
  const dir = await Deno.makeTempDir();
  const path = `${dir}/my app.ts`;
  await Deno.writeTextFile(path, text);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }) };
}
