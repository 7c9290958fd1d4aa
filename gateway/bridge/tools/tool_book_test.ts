import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { SynthError } from "@synth/core";
import { MISTRAL } from "../../upstreams/profiles/mistral.ts";
import { DEEPSEEK } from "../../upstreams/profiles/deepseek.ts";
import { OPENAI } from "../../upstreams/profiles/openai.ts";
import type { ChatTool } from "../chat.ts";
import type { PlanOptions } from "../request/plan_turn.ts";
import { planOf, refusalOf, user } from "../testing/plan.ts";
import { flatName } from "./flat_name.ts";

function toolsOf(tools: unknown[], options: Partial<PlanOptions> = {}): ChatTool[] {
  return planOf({ tools }, options).chat.tools ?? [];
}

function namesOf(tools: readonly ChatTool[] | undefined): string[] {
  return (tools ?? []).map((tool) =>
    tool.type === "custom" ? tool.custom.name : tool.function.name
  );
}

Deno.test("tools: a function keeps its schema as it is, and its strictness where that is known", () => {
  const parameters = JSON.parse('{"$ref":"#/x","__proto__":{"a":1},"properties":{}}');
  const tool = {
    type: "function",
    name: "f",
    description: "d",
    parameters,
    strict: true,
    output_schema: {},
    allowed_callers: ["x"],
  };
  const [sent] = toolsOf([tool]);
  assertEquals(
    JSON.stringify(sent),
    JSON.stringify({
      type: "function",
      function: { name: "f", description: "d", parameters, strict: true },
    }),
  );
  assertEquals(toolsOf([tool], { profile: DEEPSEEK })[0], {
    type: "function",
    function: { name: "f", description: "d", parameters },
  });
  assertEquals(toolsOf([{ type: "function", name: "f" }])[0], {
    type: "function",
    function: { name: "f", parameters: { type: "object", properties: {} } },
  });
});

Deno.test("tools: a custom tool is a function with one string, native at OpenAI", () => {
  const format = { type: "grammar", syntax: "lark", definition: "start: /x/" };
  const tool = { type: "custom", name: "apply_patch", description: "Edits files.", format };
  const [sent] = toolsOf([tool]);
  assertEquals(sent?.type === "function" && sent.function.parameters, {
    type: "object",
    properties: { input: { type: "string" } },
    required: ["input"],
    additionalProperties: false,
  });
  const description = sent?.type === "function" ? sent.function.description ?? "" : "";
  assertStringIncludes(description, "Edits files.\n\nPass the raw text in `input`.");
  assertStringIncludes(description, "lark grammar:\nstart: /x/");
  assertEquals(toolsOf([tool], { profile: OPENAI })[0], {
    type: "custom",
    custom: {
      name: "apply_patch",
      description: "Edits files.",
      format: { type: "grammar", grammar: { syntax: "lark", definition: "start: /x/" } },
    },
  });
  assertEquals(planOf({ tools: [tool] }).tools.get("apply_patch")?.kind, "custom");
});

Deno.test("tools: namespaces are flattened, described once, and found again by the flat name", () => {
  const plan = planOf({
    tools: [
      {
        type: "namespace",
        name: "agents",
        description: "About agents.",
        tools: [
          { type: "function", name: "spawn", description: "Spawns." },
          { type: "custom", name: "close" },
        ],
      },
      { type: "namespace", name: "functions", tools: [{ type: "custom", name: "exec" }] },
    ],
  });
  assertEquals(namesOf(plan.chat.tools), ["agents__spawn", "agents__close", "exec"]);
  const descriptions = plan.chat.tools?.map((tool) =>
    tool.type === "function" ? tool.function.description : null
  );
  assertEquals(descriptions?.[0], "[agents] About agents.\n\nSpawns.");
  assertEquals(descriptions?.[1], "Pass the raw text in `input`.");
  assertEquals(plan.tools.get("agents__close"), {
    upstreamName: "agents__close",
    kind: "custom",
    name: "close",
    namespace: "agents",
    allowed: true,
  });
  assertEquals(plan.tools.get("exec")?.namespace, "functions");
});

Deno.test("flatName cuts what is too long or not legal, and tells it apart by a hash", () => {
  assertEquals(flatName(null, "f"), "f");
  assertEquals(flatName("", "f"), "f");
  assertEquals(flatName("functions", "f"), "f");
  assertEquals(flatName("a", "b"), "a__b");
  assertEquals(flatName("a", "x".repeat(61)).length, 64);
  const long = flatName("n".repeat(40), "f".repeat(40));
  assertEquals(long.slice(0, 56), `${"n".repeat(40)}__${"f".repeat(13)}_`);
  assertEquals(long.length, 64);
  assertEquals(/^[0-9a-f]{8}$/.test(long.slice(56)), true);
  assertEquals(long === flatName("n".repeat(40), `${"f".repeat(39)}g`), false);
  assertEquals(/^mcp_tool_[0-9a-f]{8}$/.test(flatName(null, "mcp.tool")), true);
  assertEquals(flatName(null, "mcp.tool") === flatName(null, "mcp:tool"), false);
});

Deno.test("tools: the same tool twice is one, two tools of one name are a 400 that names both", () => {
  const f = { type: "function", name: "a__b" };
  assertEquals(namesOf(toolsOf([f, { ...f, description: null }])), ["a__b"]);
  const error = assertThrows(
    () => toolsOf([f, { type: "namespace", name: "a", tools: [{ type: "function", name: "b" }] }]),
    SynthError,
  );
  assertEquals(
    `${error.status} ${error.code} ${error.param}`,
    [
      "400 tool_name_collision tools[1].tools[0]",
    ].join(),
  );
  assertStringIncludes(error.message, "'a__b' (tools[0])");
  assertStringIncludes(error.message, "'a.b' (tools[1].tools[0])");
  assertEquals(
    refusalOf({ tools: [{ type: "apply_patch" }, { type: "custom", name: "apply_patch" }] }),
    "400 tool_name_collision tools[1]",
  );
});

Deno.test("tools: two definitions of one name in a request are a 400, whatever the order of their keys is not", () => {
  const f = {
    type: "function",
    name: "f",
    parameters: { type: "object", properties: { a: { type: "string" }, b: {} } },
  };
  const turned = {
    parameters: { properties: { b: {}, a: { type: "string" } }, type: "object" },
    name: "f",
    type: "function",
  };
  assertEquals(namesOf(toolsOf([f, turned])), ["f"]);
  for (const change of [{ description: "other" }, { parameters: { type: "object" } }]) {
    const error = assertThrows(() => toolsOf([f, { ...f, ...change }]), SynthError);
    assertEquals(
      `${error.status} ${error.code} ${error.param}`,
      "400 tool_name_collision tools[1]",
    );
    assertStringIncludes(error.message, "'f' (tools[0])");
    assertStringIncludes(error.message, "'f' (tools[1])");
  }
});

Deno.test("tools: what an item declares anew counts, but not against a later request", () => {
  const member = { type: "function", name: "b", description: "old" };
  const space = { type: "namespace", name: "a", description: "About.", tools: [member] };
  const changed = { ...space, tools: [{ ...member, description: "new" }] };
  const item = { type: "additional_tools", role: "developer", tools: [changed] };
  const body = { tools: [space], input: [item, user("u")] };
  const described = (options: Partial<PlanOptions>, input = body.input) =>
    planOf({ ...body, input }, options).chat.tools?.map((tool) =>
      tool.type === "function" ? tool.function.description : null
    );
  assertEquals(described({}), ["[a] About.\n\nnew"]);
  const history = [item] as unknown as PlanOptions["history"];
  assertEquals(described({ history: history! }, [user("u")] as never), ["[a] About.\n\nold"]);
});

Deno.test("tools: typed built-ins are functions, hosted tools are dropped and declared", () => {
  const plan = planOf({
    tools: [
      { type: "local_shell" },
      { type: "shell", environment: { type: "local" } },
      { type: "apply_patch" },
      { type: "web_search" },
      { type: "mcp", server_label: "x" },
      { type: "tool_search", execution: "server" },
      { type: "evil\r\nheader: x" },
    ],
  });
  assertEquals(namesOf(plan.chat.tools), ["local_shell", "shell", "apply_patch"]);
  assertEquals([...plan.tools.values()].map(({ kind }) => kind), [
    "local_shell",
    "shell",
    "apply_patch",
  ]);
  assertEquals(plan.droppedTools, ["web_search", "mcp", "tool_search", "evil__header:_x"]);
  const hosted = { type: "shell", environment: { type: "container_auto" } };
  assertEquals(planOf({ tools: [hosted] }).chat.tools, undefined);
});

Deno.test("tools: additional_tools join the set and leave no message", () => {
  const plan = planOf({
    input: [
      {
        type: "additional_tools",
        role: "developer",
        tools: [
          { type: "namespace", name: "functions", tools: [{ type: "custom", name: "exec" }] },
          { type: "namespace", name: "clock", tools: [{ type: "function", name: "now" }] },
        ],
      },
      user("u"),
    ],
    parallel_tool_calls: false,
  });
  assertEquals(namesOf(plan.chat.tools), ["exec", "clock__now"]);
  assertEquals(plan.chat.messages, [user("u")]);
  assertEquals(plan.echo.tools, [], "the echo is the client's own list");
});

Deno.test("tools: deferred tools wait for a search, which is a round trip of its own", () => {
  const tools = [
    { type: "tool_search", execution: "client", description: "Finds." },
    { type: "function", name: "late", defer_loading: true },
    { type: "function", name: "now" },
  ];
  assertEquals(namesOf(toolsOf(tools)), ["tool_search", "now"]);
  assertEquals(namesOf(toolsOf(tools.slice(1))), ["late", "now"], "nothing could find them");
  assertEquals(planOf({ tools }).tools.get("tool_search")?.kind, "tool_search");
  assertEquals(planOf({ tools }).tools.get("late")?.name, "late", "a call of it is understood");
  const found = {
    type: "namespace",
    name: "agents",
    tools: [{ type: "function", name: "spawn", defer_loading: true }],
  };
  const plan = planOf({
    tools,
    input: [
      user("u"),
      { type: "tool_search_call", call_id: "s", execution: "client", arguments: { query: "x" } },
      { type: "tool_search_output", call_id: "s", tools: [found, tools[1]] },
    ],
  });
  assertEquals(namesOf(plan.chat.tools), ["tool_search", "late", "now", "agents__spawn"]);
  assertEquals(plan.chat.messages.at(-1), {
    role: "tool",
    tool_call_id: "s",
    content: "Tools found:\n- agents__spawn\n- late",
  });
});

Deno.test("tools: limits of number, name and schema", () => {
  const limits = { toolLimits: { tools: 1, name: 8, schema: 64 } };
  const f = (name: string, parameters = {}) => ({ type: "function", name, parameters });
  assertEquals(
    refusalOf({ tools: [f("a"), f("b")] }, limits),
    "400 array_above_max_length tools[1]",
  );
  assertEquals(
    refusalOf({ tools: [f("a".repeat(9))] }, limits),
    "400 string_above_max_length tools[0].name",
  );
  assertEquals(
    refusalOf({ tools: [f("a", { description: "x".repeat(64) })] }, limits),
    "400 string_above_max_length tools[0].parameters",
  );
  let deep = {};
  for (let level = 0; level < 100_000; level++) deep = { a: deep };
  assertEquals(
    refusalOf({ tools: [f("a", deep)] }),
    "400 string_above_max_length tools[0].parameters",
  );
});

Deno.test("tools: names of Object's own members are names like any other", () => {
  const names = ["__proto__", "constructor", "toString", "hasOwnProperty"];
  const plan = planOf({ tools: names.map((name) => ({ type: "function", name })) });
  assertEquals(namesOf(plan.chat.tools), names);
  assertEquals([...plan.tools.keys()], names);
});

Deno.test("tools: arguments of 1 MB pass", () => {
  const text = JSON.stringify({ text: "x".repeat(1024 * 1024) });
  const plan = planOf({
    input: [{ type: "function_call", call_id: "a", name: "f", arguments: text }],
  }, { profile: MISTRAL });
  const [message] = plan.chat.messages;
  const [call] = message?.role === "assistant" ? message.tool_calls ?? [] : [];
  assertEquals(call?.type === "function" && call.function.arguments === text, true);
});
