/** What a `synth.toml` that merely lies in a project may say: every setting there is, by name. A new one counts there only when it is written down here. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { fingerprint, isGuarded } from "@synth/core/config";
import { sectionSchemas } from "../../core/config/schema.ts";

/** How a server behaves that the user has started, what a session starts with, and what is known of a model: nothing of it leads anywhere. */
const FREE: Record<string, string[]> = {
  gateway: [
    "port",
    "max_body_bytes",
    "max_json_depth",
    "request_deadline_s",
    "idle_timeout_s",
    "store_deadline_s",
    "keepalive_s",
    "shutdown_grace_s",
    "responses_retention_hours",
    "responses_max_bytes",
    "loop_max_rounds",
    "loop_max_identical",
    "log_level",
  ],
  models: [
    "context_window",
    "max_output_tokens",
    "stop_tool",
    "loop_max_rounds",
    "loop_max_identical",
  ],
  session: [
    "limit_cost_usd",
    "limit_tokens",
    "limit_gpu_hours",
    "limit_api_calls",
    "soft",
    "window_seconds",
    "warning_threshold",
    "ttl_hours",
  ],
};

/** The keys of every section; of named ones those of their members. */
function keysOf(schema: unknown): string[] {
  const inner = Reflect.get(schema as object, "valueType") ?? schema;
  return Object.keys(shapeOf(inner as object));
}

function shapeOf(schema: object): Record<string, unknown> {
  const shape: unknown = Reflect.get(schema, "shape");
  assert(typeof shape === "object" && shape !== null, "a section is a table");
  return shape as Record<string, unknown>;
}

Deno.test("a project's file sets nothing that sends secrets or money elsewhere, opens a budget or runs a program", () => {
  const free: Record<string, string[]> = {};
  let guarded = 0;
  for (const [section, schema] of Object.entries(sectionSchemas)) {
    const named = section === "upstreams" || section === "models";
    for (const key of keysOf(schema)) {
      if (isGuarded(named ? [section, "x", key] : [section, key])) guarded++;
      else (free[section] ??= []).push(key);
    }
  }
  assert(guarded > 30, String(guarded));
  assertEquals(free, FREE);
});

Deno.test("a project's file names no variable and no file that a secret could be read from, in any section", () => {
  for (const section of [...Object.keys(sectionSchemas), "of_the_future"]) {
    if (section === "models") continue;
    for (const key of ["x_env", "x_file", "x_url", "x_host", "x_hosts"]) {
      assert(isGuarded([section, key]), `${section}.${key}`);
    }
  }
  for (const key of ["api_token_env", "api_token_file", "api_url", "domain", "account_id"]) {
    assert(isGuarded(["tunnels", key]), key);
  }
});

Deno.test("what is trusted is one content in one place", async () => {
  const trusted = await fingerprint("/home/me/a/synth.toml", "[gateway]\nport = 1\n");
  assertEquals(await fingerprint("/home/me/a/synth.toml", "[gateway]\nport = 1\n"), trusted);
  for (
    const [path, content] of [
      ["/home/me/b/synth.toml", "[gateway]\nport = 1\n"],
      ["/home/me/a/synth.toml", "[gateway]\nport = 2\n"],
      ["/home/me/a/synth.toml", "[gateway]\nport = 1\n\n"],
      // Nor is the border between the two in doubt.
      ["/home/me/a/synth.toml[gateway]", "\nport = 1\n"],
    ] as const
  ) {
    assertNotEquals(await fingerprint(path, content), trusted);
  }
});
