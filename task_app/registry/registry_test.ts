import { assertEquals, assertFalse, assertThrows } from "@std/assert";
import { SynthError } from "@synth/core";
import { echoConfig } from "../testing/echo_app.ts";
import { registerTaskApp, TaskAppRegistry, taskApps } from "./registry.ts";

const entry = {
  appId: "echo",
  description: "Echo",
  configFactory: () => echoConfig(),
  aliases: ["e"],
};

Deno.test("TaskAppRegistry finds by id and alias, and lists by id", () => {
  const registry = new TaskAppRegistry();
  registry.register(entry);
  registry.register({ ...entry, appId: "abc", aliases: [] });
  assertEquals(registry.get("e"), registry.get("echo"));
  assertEquals(registry.list().map(({ appId }) => appId), ["abc", "echo"]);
  registry.clear();
  assertEquals([registry.list(), registry.has("e")], [[], false]);
});

Deno.test("TaskAppRegistry refuses a name that is taken, and registers nothing then", () => {
  const registry = new TaskAppRegistry();
  registry.register(entry);
  const taken = [
    entry,
    { ...entry, appId: "e", aliases: [] },
    { ...entry, appId: "new", aliases: ["echo"] },
    { ...entry, appId: "new", aliases: ["new"] },
    { ...entry, appId: "new", aliases: ["x", "x"] },
  ];
  for (const other of taken) {
    const error = assertThrows(() => registry.register(other), SynthError);
    assertEquals([error.status, error.code], [409, "task_app_exists"]);
  }
  assertFalse(registry.has("new"));
});

Deno.test("TaskAppRegistry says what there is instead", () => {
  const registry = new TaskAppRegistry();
  registry.register(entry);
  const near = assertThrows(() => registry.get("ehco"), SynthError);
  assertEquals([near.status, near.code, near.hint], [
    404,
    "task_app_not_found",
    "Did you mean echo?",
  ]);
  for (const name of ["__proto__", "constructor"]) {
    assertEquals(assertThrows(() => registry.get(name), SynthError).hint, "Registered: echo");
  }
});

Deno.test("registerTaskApp fills the registry of the process", () => {
  taskApps.clear();
  registerTaskApp(entry);
  assertEquals(taskApps.get("echo"), entry);
  taskApps.clear();
});
