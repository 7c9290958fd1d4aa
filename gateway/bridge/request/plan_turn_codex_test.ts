import { assertEquals } from "@std/assert";
import { parseResponsesRequest } from "@synth/core/api";
import { GENERIC } from "../../upstreams/profiles/generic.ts";
import { clientTraits } from "../client_traits.ts";
import { planTurn } from "./plan_turn.ts";

const EXEC_PARAMETERS = {
  type: "object",
  properties: { cmd: { type: "string" } },
  required: ["cmd"],
  additionalProperties: false,
};

/** A request as Codex 0.169 sends it for a model that it does not know (bridge.md appendix G). */
const CODEX_REQUEST = {
  model: "mock-model",
  stream: true,
  tool_choice: "auto",
  parallel_tool_calls: true,
  reasoning: { summary: "auto" },
  store: false,
  include: ["reasoning.encrypted_content"],
  prompt_cache_key: "01a20034-6cd0-7383-9f9a-b9215a46fc30",
  client_metadata: { session_id: "s", thread_id: "t", turn_id: "u" },
  tools: [
    {
      type: "function",
      name: "exec_command",
      description: "Runs a command in a PTY.",
      strict: false,
      parameters: EXEC_PARAMETERS,
    },
    {
      type: "namespace",
      name: "multi_agent_v1",
      description: "Tools for spawning and managing sub-agents.",
      tools: [{ type: "function", name: "close_agent", strict: false, parameters: {} }],
    },
    { type: "web_search", external_web_access: true },
  ],
  input: [
    {
      type: "message",
      id: "msg_1",
      role: "developer",
      content: [{ type: "input_text", text: "You are a coding agent." }],
    },
    {
      type: "message",
      id: "msg_2",
      role: "developer",
      content: [{ type: "input_text", text: "<skills>" }, { type: "input_text", text: "<perms>" }],
    },
    {
      type: "message",
      id: "msg_3",
      role: "user",
      content: [{ type: "input_text", text: "<environment_context>" }],
    },
    {
      type: "message",
      id: "msg_4",
      role: "user",
      content: [{ type: "input_text", text: "say hi" }],
    },
    {
      type: "reasoning",
      id: "rs_1",
      summary: [{ type: "summary_text", text: "Thinking about shell" }],
      content: [{ type: "reasoning_text", text: "raw cot" }],
      encrypted_content: "ENC123",
    },
    {
      type: "function_call",
      status: "completed",
      id: "fc_1",
      name: "exec_command",
      arguments: '{"cmd":"echo hi > out.txt; cat out.txt"}',
      call_id: "call_abc1",
    },
    {
      type: "function_call_output",
      id: "fco_1",
      call_id: "call_abc1",
      output: "Chunk ID: d93b02\nhi\n",
    },
  ],
};

Deno.test("planTurn gives the upstream body for a Codex request that appendix G demands", () => {
  const body = parseResponsesRequest(CODEX_REQUEST);
  const before = JSON.stringify(CODEX_REQUEST);
  const plan = planTurn(body, {
    profile: GENERIC,
    upstreamModel: "upstream-model",
    client: clientTraits(new Headers({ originator: "codex_exec" })),
    stopTool: "off",
    sealer: null,
    org: "org_a",
  });
  assertEquals(plan.chat, {
    model: "upstream-model",
    stream: true,
    stream_options: { include_usage: true },
    tool_choice: "auto",
    parallel_tool_calls: true,
    tools: [
      {
        type: "function",
        function: {
          name: "exec_command",
          description: "Runs a command in a PTY.",
          parameters: EXEC_PARAMETERS,
          strict: false,
        },
      },
      {
        type: "function",
        function: {
          name: "multi_agent_v1__close_agent",
          description: "[multi_agent_v1] Tools for spawning and managing sub-agents.",
          parameters: {},
          strict: false,
        },
      },
    ],
    messages: [
      { role: "system", content: "You are a coding agent.\n\n<skills>\n\n<perms>" },
      { role: "user", content: "<environment_context>" },
      { role: "user", content: "say hi" },
      {
        role: "assistant",
        content: null,
        reasoning_content: "raw cot",
        tool_calls: [{
          id: "call_abc1",
          type: "function",
          function: {
            name: "exec_command",
            arguments: '{"cmd":"echo hi > out.txt; cat out.txt"}',
          },
        }],
      },
      { role: "tool", tool_call_id: "call_abc1", content: "Chunk ID: d93b02\nhi\n" },
    ],
  });
  assertEquals(JSON.stringify(CODEX_REQUEST), before, "the body is not changed");
  assertEquals(plan.droppedTools, ["web_search"]);
  assertEquals(plan.ignored, ["prompt_cache_key", "client_metadata"]);
  assertEquals(plan.refusalAsText, true);
  assertEquals(plan.reasoning, { as: "summary", seal: false });
  assertEquals([...plan.tools.values()], [
    {
      upstreamName: "exec_command",
      kind: "function",
      name: "exec_command",
      namespace: null,
      allowed: true,
    },
    {
      upstreamName: "multi_agent_v1__close_agent",
      kind: "function",
      name: "close_agent",
      namespace: "multi_agent_v1",
      allowed: true,
    },
  ]);
});
