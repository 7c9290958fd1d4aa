import { assertEquals, assertStringIncludes } from "@std/assert";
import { OLLAMA } from "../../upstreams/profiles/ollama.ts";
import { OPENAI } from "../../upstreams/profiles/openai.ts";
import { QWEN } from "../../upstreams/profiles/qwen.ts";
import type { TurnPlan } from "../plan.ts";
import type { PlanOptions } from "../request/plan_turn.ts";
import { planOf, refusalOf } from "../testing/plan.ts";
import { STOP_TOOL_NAME } from "./stop_tool.ts";

const TOOLS = [
  { type: "function", name: "f" },
  { type: "custom", name: "c" },
  { type: "namespace", name: "ns", tools: [{ type: "function", name: "g" }] },
  { type: "web_search" },
];

function chosen(tool_choice: unknown, options: Partial<PlanOptions> = {}): TurnPlan {
  return planOf({ tools: TOOLS, tool_choice }, options);
}

function offered(plan: TurnPlan): string {
  return (plan.chat.tools ?? []).map((tool) =>
    tool.type === "custom" ? tool.custom.name : tool.function.name
  ).join();
}

function allowed(plan: TurnPlan): string {
  return [...plan.tools.values()].filter((tool) => tool.allowed).map((tool) => tool.upstreamName)
    .join();
}

Deno.test("tool_choice: the words stay as they are", () => {
  assertEquals(chosen(undefined).chat.tool_choice, undefined);
  assertEquals(chosen("auto").chat.tool_choice, "auto");
  assertEquals(chosen("required").chat.tool_choice, "required");
  const none = chosen("none");
  assertEquals(none.chat.tool_choice, "none");
  assertEquals(offered(none), "f,c,ns__g");
  assertEquals(allowed(none), "", "a call in spite of it is suppressed");
});

Deno.test("tool_choice: a named tool by its flat name", () => {
  const named = (name: string) => ({ type: "function", function: { name } });
  assertEquals(chosen({ type: "function", name: "f" }).chat.tool_choice, named("f"));
  assertEquals(chosen({ type: "custom", name: "c" }).chat.tool_choice, named("c"));
  assertEquals(
    chosen({ type: "function", name: "g", namespace: "ns" }).chat.tool_choice,
    named("ns__g"),
  );
  assertEquals(chosen({ type: "custom", name: "c" }, { profile: OPENAI }).chat.tool_choice, {
    type: "custom",
    custom: { name: "c" },
  });
  assertEquals(
    refusalOf({ tools: TOOLS, tool_choice: { type: "function", name: "no" } }),
    "400 tool_not_found tool_choice",
  );
  const patch = { tools: [{ type: "apply_patch" }], tool_choice: { type: "apply_patch" } };
  assertEquals(planOf(patch).chat.tool_choice, named("apply_patch"));
  assertEquals(
    refusalOf({ ...patch, tool_choice: { type: "shell" } }),
    "400 tool_not_found tool_choice",
  );
});

Deno.test("tool_choice: a hosted tool cannot be forced", () => {
  assertEquals(
    refusalOf({ tools: TOOLS, tool_choice: { type: "web_search" } }),
    "400 unsupported_tool tool_choice",
  );
  const hostedOnly = { tools: [{ type: "web_search" }] };
  assertEquals(
    refusalOf({ ...hostedOnly, tool_choice: "required" }),
    "400 unsupported_tool tool_choice",
  );
  assertEquals(refusalOf({ tool_choice: "required" }), "400 invalid_value tool_choice");
  const left = planOf({ ...hostedOnly, tool_choice: "auto" });
  assertEquals(left.chat.tool_choice, undefined, "no choice without tools");
  assertEquals(left.chat.tools, undefined);
});

Deno.test("tool_choice: allowed_tools offers the subset and forbids the rest", () => {
  const tools = [{ type: "function", name: "f" }, {
    type: "function",
    name: "g",
    namespace: "ns",
  }];
  const auto = chosen({ type: "allowed_tools", mode: "auto", tools });
  assertEquals(offered(auto), "f,ns__g");
  assertEquals(allowed(auto), "f,ns__g");
  assertEquals(auto.tools.get("c")?.allowed, false);
  assertEquals(auto.chat.tool_choice, "auto");
  assertEquals(
    chosen({ type: "allowed_tools", mode: "required", tools }).chat.tool_choice,
    "required",
  );
  const hosted = { type: "allowed_tools", mode: "auto", tools: [{ type: "web_search" }] };
  assertEquals(chosen(hosted).chat.tools, undefined);
  assertEquals(
    refusalOf({ tools: TOOLS, tool_choice: { ...hosted, mode: "required" } }),
    "400 unsupported_tool tool_choice",
  );
  const unknown = { ...hosted, tools: [{ type: "function", name: "no" }] };
  assertEquals(
    refusalOf({ tools: TOOLS, tool_choice: unknown }),
    "400 tool_not_found tool_choice.tools[0]",
  );
});

Deno.test("tool_choice: what the upstream does not know is asked for in words", () => {
  const required = chosen("required", { profile: QWEN });
  assertEquals(required.chat.tool_choice, "auto");
  assertStringIncludes(String(required.chat.messages[0]?.content), "calling one of the tools");
  const named = chosen({ type: "function", name: "f" }, { profile: OLLAMA });
  assertEquals(offered(named), "f");
  assertEquals(allowed(named), "f");
  assertEquals(named.chat.tool_choice, "auto");
  assertStringIncludes(String(named.chat.messages[0]?.content), "calling one of the tools");
});

Deno.test("stop tool: offered beside client tools when the model may choose", () => {
  const offer = chosen("auto", { stopTool: "offer" });
  assertEquals(offered(offer), `f,c,ns__g,${STOP_TOOL_NAME}`);
  assertEquals(offer.chat.tool_choice, "auto");
  assertEquals(offer.tools.get(STOP_TOOL_NAME)?.kind, "stop");
  assertEquals(offer.echo.tools.length, TOOLS.length, "never echoed");
  assertEquals(chosen("auto", { stopTool: "force" }).chat.tool_choice, "required");
  assertEquals(chosen(null, { stopTool: "force" }).chat.tool_choice, "required");
  const hinted = chosen("auto", { stopTool: "force", profile: QWEN });
  assertEquals(hinted.chat.tool_choice, "auto");
  assertStringIncludes(String(hinted.chat.messages[0]?.content), "calling one of the tools");
});

Deno.test("stop tool: not where nothing could go on, or the client has its own", () => {
  const options: Partial<PlanOptions> = { stopTool: "force" };
  const has = (plan: TurnPlan) => plan.tools.get(STOP_TOOL_NAME)?.kind === "stop";
  assertEquals(has(planOf({}, options)), false, "no client tool");
  assertEquals(has(chosen("none", options)), false);
  assertEquals(has(chosen({ type: "function", name: "f" }, options)), false);
  assertEquals(has(chosen("auto", { stopTool: "off" })), false);
  for (const format of [{ type: "json_schema", name: "n", schema: {} }, { type: "json_object" }]) {
    assertEquals(has(planOf({ tools: TOOLS, text: { format } }, options)), false, format.type);
  }
  const own = planOf({ tools: [{ type: "function", name: STOP_TOOL_NAME }] }, options);
  assertEquals(own.tools.get(STOP_TOOL_NAME)?.kind, "function");
  assertEquals(own.chat.tools?.length, 1);
  assertEquals(own.chat.tool_choice, undefined, "and nothing is forced");
});
