import { assert, assertEquals } from "@std/assert";
import { SynthError } from "@synth/core";
import { parseResponsesRequest } from "@synth/core/api";
import fc from "fast-check";
import { planTurn } from "../gateway/bridge/request/plan_turn.ts";
import type { TurnPlan } from "../gateway/bridge/plan.ts";
import type { UpstreamProfile } from "../gateway/bridge/profile.ts";
import { PROFILES } from "../gateway/upstreams/profiles/mod.ts";
import { historyFaults } from "./support/chat_history_validator.ts";

const IDS = ["a", "b", "c", "a~2", "__proto__", "call_0123456789abcdef"];
const NAMES = ["f", "g", "constructor", "__proto__", "toString", "mcp.tool", "x".repeat(80)];

const id = fc.constantFrom(...IDS);
const name = fc.constantFrom(...NAMES);
const namespace = fc.constantFrom(null, undefined, "functions", "ns", "__proto__");
const args = fc.constantFrom("{}", "", '{"a":1}', '{"cut', "[1]", "plain");
/** Texts that can be found again; the test numbers them. */
const text = fc.constantFrom("@", "", "@");

const part = fc.oneof(
  fc.record({ type: fc.constantFrom("input_text", "output_text", "text"), text }),
  fc.constant({ type: "input_image", image_url: "data:image/png;base64,AAAA" }),
  fc.constant({ type: "input_image", image_url: "https://example.com/a.png", detail: "original" }),
  fc.constant({ type: "input_file", filename: "a.txt", file_data: "data:text/plain,abc" }),
  fc.constant({ type: "input_video" }),
  fc.record({ type: fc.constant("refusal"), refusal: text }),
);
const content = fc.oneof(
  { weight: 3, arbitrary: text },
  { weight: 1, arbitrary: fc.array(part, { maxLength: 3 }) },
);
const toolOutput = fc.oneof(text, fc.array(part, { maxLength: 3 }));

const item = fc.oneof(
  fc.record({
    type: fc.constantFrom("message", null),
    role: fc.constantFrom("user", "assistant", "developer", "system"),
    content,
  }),
  fc.record({
    type: fc.constant("function_call"),
    call_id: id,
    name,
    namespace,
    arguments: args,
  }),
  fc.record({ type: fc.constant("function_call_output"), call_id: id, output: toolOutput }),
  fc.record({ type: fc.constant("custom_tool_call"), call_id: id, name, input: text }),
  fc.record({ type: fc.constant("custom_tool_call_output"), call_id: id, output: toolOutput }),
  fc.record({
    type: fc.constant("tool_search_call"),
    call_id: fc.option(id),
    execution: fc.constant("client"),
    arguments: fc.constant({ query: "x" }),
  }),
  fc.record({
    type: fc.constant("tool_search_output"),
    call_id: fc.option(id),
    tools: fc.constant([{ type: "function", name: "found", defer_loading: true }]),
  }),
  fc.constant({ type: "additional_tools", tools: [{ type: "custom", name: "extra" }] }),
  fc.record({
    type: fc.constant("reasoning"),
    summary: fc.constantFrom([], null, [{ type: "summary_text", text: "s" }]),
    content: fc.constantFrom(null, undefined, [{ type: "reasoning_text", text: "r" }]),
    encrypted_content: fc.constantFrom(null, "ENC", "gwr1.k.AAAA"),
  }),
  fc.record({
    type: fc.constantFrom("local_shell_call", "shell_call", "apply_patch_call"),
    call_id: id,
    action: fc.constantFrom(null, { command: ["ls"], commands: ["ls"] }),
  }),
  fc.record({
    type: fc.constantFrom("local_shell_call_output", "shell_call_output"),
    call_id: id,
    output: fc.constantFrom("out", [{ stdout: "x" }], undefined),
  }),
  fc.constantFrom(
    { type: "web_search_call", id: "ws_1", status: "completed" },
    { type: "compaction", encrypted_content: "foreign" },
    { type: "agent_message", content: [{ type: "output_text", text: "@" }] },
    { type: "something_new", content: null },
    { type: "something_new" },
    { type: "item_reference", id: "nowhere" },
  ),
);

const tools = fc.array(
  fc.oneof(
    fc.record({ type: fc.constant("function"), name, defer_loading: fc.constantFrom(true, false) }),
    fc.record({ type: fc.constant("custom"), name }),
    fc.record({
      type: fc.constant("namespace"),
      name: fc.constantFrom("ns", "functions", "__proto__"),
      tools: fc.array(fc.record({ type: fc.constant("function"), name }), { maxLength: 3 }),
    }),
    fc.constantFrom(
      { type: "tool_search", execution: "client" },
      { type: "web_search" },
      { type: "shell" },
      { type: "apply_patch" },
    ),
  ),
  { maxLength: 4 },
);

const request = fc.record({
  model: fc.constant("m"),
  input: fc.array(item, { minLength: 1, maxLength: 14 }),
  tools,
  tool_choice: fc.constantFrom(null, "auto", "none", "required"),
  instructions: fc.constantFrom(null, "be good"),
});
const profile = fc.constantFrom(...PROFILES.values());

type Body = { [key: string]: unknown };

/** Gives every text of the request a number, so that it can be found again. */
function numbered(body: unknown): { body: Body; count: number } {
  let count = 0;
  const copy = JSON.parse(JSON.stringify(body), (_key, value: unknown) => {
    return value === "@" ? `@${count++};` : value;
  }) as Body;
  return { body: copy, count };
}

function plan(body: Body, of: UpstreamProfile): TurnPlan | null {
  try {
    return planTurn(parseResponsesRequest(body), {
      profile: of,
      upstreamModel: "up",
      client: { kind: "other", refusalAsText: false },
      stopTool: "offer",
      sealer: null,
      org: "org",
    });
  } catch (error) {
    if (error instanceof SynthError && error.status === 400) return null;
    throw error;
  }
}

function rulesOf(of: UpstreamProfile): Parameters<typeof historyFaults>[1] {
  return {
    midSystem: of.midSystem === "system",
    toolParts: of.toolImages === "inline",
    badArguments: of.badArguments === "keep",
    ...(of.callId === "mistral9" ? { callId: /^[A-Za-z0-9]{9}$/ } : {}),
  };
}

Deno.test("planTurn makes a valid history of any items, or refuses with a 400", () => {
  let planned = 0;
  fc.assert(
    fc.property(request, profile, (given, of) => {
      const { body } = numbered(given);
      const before = JSON.stringify(body);
      const result = plan(body, of);
      assertEquals(JSON.stringify(body), before, "the body is not changed");
      if (result === null) return;
      planned++;
      assertEquals(historyFaults(result.chat.messages, rulesOf(of)), []);
      for (const tool of result.chat.tools ?? []) {
        const called = tool.type === "custom" ? tool.custom.name : tool.function.name;
        assert(/^[A-Za-z0-9_-]{1,64}$/.test(called), called);
        assert(result.tools.has(called), `no binding for ${called}`);
      }
      assert(
        result.chat.tools !== undefined || result.chat.tool_choice === undefined,
        "tool_choice without tools",
      );
    }),
    { numRuns: 2_000 },
  );
  assert(planned > 500, `only ${planned} of 2000 histories were planned`);
});

Deno.test("planTurn loses no text and doubles none", () => {
  fc.assert(
    fc.property(request, profile, (given, of) => {
      const { body, count } = numbered(given);
      const result = plan(body, of);
      if (result === null) return;
      const sent = JSON.stringify(result.chat.messages);
      for (let index = 0; index < count; index++) {
        const times = sent.split(`@${index};`).length - 1;
        // A refusal part in a user message or an output has no text that could be carried.
        assertEquals(times, isRefusal(body, index, result) ? 0 : 1, `text ${index} of ${sent}`);
      }
    }),
    { numRuns: 1_000 },
  );
});

/** Whether text `index` is a refusal part inside a tool output, which is marked as left out. */
function isRefusal(body: Body, index: number, result: TurnPlan): boolean {
  return result.ignored.includes("tool_output.refusal") &&
    (body["input"] as { output?: unknown }[]).some(({ output }) =>
      Array.isArray(output) &&
      output.some((part) => (part as { refusal?: unknown }).refusal === `@${index};`)
    );
}
