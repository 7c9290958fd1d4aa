/** What every object inherits is no member of anybody's JSON: not where a name is looked up, not where one is spelled out for an error. */
import { assert, assertEquals } from "@std/assert";
import { type Json, jsonMember } from "@synth/core";
import { FULL_ORIGIN, startFullGateway } from "../support/full_gateway.ts";
import { spyUpstream } from "./spy_upstream.ts";

const INHERITED = [...Object.getOwnPropertyNames(Object.prototype), "prototype"];

Deno.test("jsonMember knows own members alone (prototype pollution)", () => {
  for (const name of INHERITED) {
    assertEquals(jsonMember({}, name), undefined, name);
    assertEquals(jsonMember([], name), undefined, name);
    assertEquals(jsonMember("text", name), undefined, name);
    const own: Json = JSON.parse(`{${JSON.stringify(name)}:1}`);
    assertEquals(jsonMember(own, name), 1, name);
  }
  assertEquals(jsonMember([1], "length"), undefined);
  assertEquals(jsonMember(null, "a"), undefined);
});

Deno.test("names that every object inherits name no tool, model, session, response, key or task app", async () => {
  const transport = spyUpstream();
  await using it = await startFullGateway({ transport });
  const { key } = await it.key("org-a");
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const ask = async (line: string, body?: unknown): Promise<string> => {
    const [method = "", path = ""] = line.split(" ");
    const answer = await it.gateway.fetch(
      new Request(FULL_ORIGIN + path, {
        method,
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    );
    const { error } = await answer.json();
    return error ? `${answer.status} ${error.code}` : `${answer.status}`;
  };
  for (const name of INHERITED) {
    const id = encodeURIComponent(name);
    assertEquals(await ask(`GET /v1/responses/${id}`), "404 response_not_found", name);
    assertEquals(await ask(`GET /v1/models/${id}`), "404 model_not_found", name);
    assertEquals(await ask(`GET /api/v1/sessions/${id}`), "404 session_not_found", name);
    assertEquals(await ask(`DELETE /api/v1/keys/${id}`), "404 key_not_found", name);
    assertEquals(
      await ask(`GET /api/v1/registry/task-apps/${id}`),
      "404 task_app_not_found",
      name,
    );
    assertEquals(
      await ask("POST /v1/responses", { model: name, input: "x" }),
      "400 model_not_found",
      name,
    );
    for (
      const field of [
        "tool_choice",
        "service_tier",
        "truncation",
        "prompt_cache_retention",
      ] as const
    ) {
      const said = await ask("POST /v1/responses", { model: "up-m", input: "x", [field]: name });
      assert(/^(?:200|400 )/.test(said), `${field} ${name}: ${said}`);
    }
    const effort = await ask("POST /v1/responses", {
      model: "up-m",
      input: "x",
      reasoning: { effort: name },
    });
    assertEquals(effort, "400 invalid_value", name);
  }
  for (const { body } of transport.sent) assert(!/\[native code\]|\[object/.test(body ?? ""));
  for (const line of it.lines) assert(!line.includes("internal_error"), line);
});
