import { assertEquals, assertStringIncludes } from "@std/assert";
import { historyFaults, type HistoryRules } from "./chat_history_validator.ts";

const user = { role: "user", content: "u" };
const tool = (id: string) => ({ role: "tool", tool_call_id: id, content: "x" });

function calls(...ids: string[]): { [key: string]: unknown } {
  return {
    role: "assistant",
    content: null,
    tool_calls: ids.map((id) => ({
      id,
      type: "function",
      function: { name: "f", arguments: "{}" },
    })),
  };
}

Deno.test("historyFaults passes what is right", () => {
  assertEquals(
    historyFaults([
      { role: "system", content: "s" },
      user,
      calls("a", "b"),
      tool("a"),
      tool("b"),
      { role: "assistant", content: "done", reasoning_content: "r" },
      { role: "user", content: [{ type: "text", text: "x" }] },
    ]),
    [],
  );
});

Deno.test("historyFaults finds every kind of fault", () => {
  const cases: [string, unknown[], HistoryRules?][] = [
    ["not the first", [user, { role: "system", content: "s" }]],
    ["are missing", [calls("a"), user]],
    ["end: the outputs of a", [calls("a")]],
    ["not the output of a", [calls("a", "b"), tool("b"), tool("a")]],
    ["no call waits", [tool("a")]],
    ["a second call a", [calls("a"), tool("a"), calls("a"), tool("a")]],
    ["foreign part output_text", [{
      role: "user",
      content: [{ type: "output_text", text: "x" }],
    }]],
    ["an empty text part", [{ role: "user", content: [{ type: "text", text: "" }] }]],
    ["no parts", [{ role: "user", content: [] }]],
    ["empty content", [{ role: "user", content: "" }]],
    ["text only", [calls("a"), {
      ...tool("a"),
      content: [{ type: "text", text: "x" }],
    }]],
    ["no content", [{ role: "assistant", content: null }]],
    ["in a row", [{ role: "assistant", content: "a" }, { role: "assistant", content: "b" }]],
    ["foreign member phase", [{ ...user, phase: "x" }]],
    ["tool_calls is empty", [{ role: "assistant", content: "x", tool_calls: [] }]],
    ["another form", [calls("abc"), tool("abc")], { callId: /^[0-9]+$/ }],
    ["no JSON", [{
      role: "assistant",
      content: null,
      tool_calls: [{ id: "a", type: "function", function: { name: "f", arguments: "{" } }],
    }, tool("a")]],
  ];
  for (const [expected, messages, rules] of cases) {
    assertStringIncludes(historyFaults(messages, rules).join("; "), expected);
  }
});
