import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { SynthError } from "../errors.ts";
import { parseResponsesRequest, RESPONSES_FIELDS } from "./responses_request.ts";

function faultOf(body: unknown): SynthError {
  const error = assertThrows(() => parseResponsesRequest(body), SynthError);
  assertEquals(error.status, 400);
  assert(error.message !== "");
  return error;
}

const ok = { model: "m", input: "x" };

Deno.test("parseResponsesRequest names the field and says what is expected", () => {
  const item = (value: unknown) => ({ model: "m", input: [value] });
  const cases: [unknown, string, string | null, string][] = [
    [5, "invalid_type", null, "must be a JSON object, got a number"],
    [[], "invalid_type", null, "got an array"],
    [{}, "missing_required_parameter", "model", "'model'"],
    [{ input: 5 }, "missing_required_parameter", "model", "'model'"],
    [{ ...ok, model: 5 }, "invalid_type", "model", "expected a string, got a number"],
    [{ model: "m" }, "missing_required_parameter", "input", "input is empty"],
    [{ model: "m", input: [] }, "invalid_value", "input", "input is empty"],
    [{ model: "m", input: 7 }, "invalid_type", "input", "expected a string or an array"],
    [{ ...ok, temperature: "1" }, "invalid_type", "temperature", "expected a number"],
    [{ ...ok, temperature: 9 }, "invalid_value", "temperature", "at most 2"],
    [{ ...ok, max_output_tokens: 1.5 }, "invalid_type", "max_output_tokens", "an integer, got 1.5"],
    [{ ...ok, temperature: Infinity }, "invalid_type", "temperature", "the number is too large"],
    [{ ...ok, max_output_tokens: 0 }, "invalid_value", "max_output_tokens", "at least 1"],
    [{ ...ok, stream: "true" }, "invalid_type", "stream", "expected a boolean"],
    [{ ...ok, tool_choice: "any" }, "invalid_value", "tool_choice", "got 'any'"],
    [{ ...ok, tool_choice: 5 }, "invalid_type", "tool_choice", "got a number"],
    [{ ...ok, metadata: { a: 1 } }, "invalid_type", "metadata.a", "expected a string"],
    [{ ...ok, reasoning: { effort: "x" } }, "invalid_value", "reasoning.effort", "'minimal'"],
    [
      { ...ok, tools: [{ type: "function", function: { name: "a" } }] },
      "missing_required_parameter",
      "tools[0].name",
      "tools[0].name",
    ],
    [
      { ...ok, tools: [{ type: "function", name: "a", parameters: "x" }] },
      "invalid_type",
      "tools[0].parameters",
      "expected an object, got a string",
    ],
    [item(5), "invalid_type", "input[0]", "expected an object"],
    [item({}), "missing_required_parameter", "input[0].role", "role"],
    [item({ type: 5 }), "invalid_type", "input[0].type", "expected a string"],
    [item({ role: "tool", content: "x" }), "invalid_value", "input[0].role", "'developer'"],
    [item({ role: "user" }), "missing_required_parameter", "input[0].content", "content"],
    [item({ role: "user", content: 7 }), "invalid_type", "input[0].content", "or an array"],
    [
      item({ role: "user", content: [{ type: "input_text", text: 5 }] }),
      "invalid_type",
      "input[0].content[0].text",
      "expected a string, got a number",
    ],
    [
      item({ type: "function_call", name: "f", arguments: "{}" }),
      "missing_required_parameter",
      "input[0].call_id",
      "call_id",
    ],
    [
      item({ type: "function_call", call_id: "a", name: "f", arguments: {} }),
      "invalid_type",
      "input[0].arguments",
      "got an object",
    ],
  ];
  for (const [body, code, param, message] of cases) {
    const error = faultOf(body);
    assertEquals(`${error.code} ${error.param}`, `${code} ${param}`, JSON.stringify(body));
    assertStringIncludes(error.message, message);
  }
});

Deno.test("parseResponsesRequest refuses an unknown field and guesses what was meant", () => {
  const error = faultOf({ ...ok, temprature: 1 });
  assertEquals(error.code, "unknown_parameter");
  assertEquals(error.param, "temprature");
  assertEquals(error.hint, "Did you mean 'temperature'?");
  assertEquals(faultOf({ ...ok, n: 2 }).hint, undefined);
  assertEquals(faultOf({ ...ok, ["x".repeat(5_000)]: 1 }).param?.length, 67);
});

Deno.test("parseResponsesRequest takes null for every optional field", () => {
  const nulls = Object.fromEntries(RESPONSES_FIELDS.map((field) => [field, null]));
  const body = parseResponsesRequest({ ...nulls, model: "m", input: "x" });
  assertEquals(body.temperature, null);
  parseResponsesRequest({
    model: "m",
    input: [{ type: "reasoning", summary: null, content: null, encrypted_content: null }],
    reasoning: { effort: null, summary: null },
    text: { format: null },
  });
});

Deno.test("parseResponsesRequest lets unknown items and unknown members of items through", () => {
  const input = [
    {
      type: "message",
      role: "user",
      content: "x",
      status: "completed",
      id: "msg_1",
      odd: { a: 1 },
    },
    { type: "agent_message", content: [{ type: "t", text: "x" }] },
    { type: "web_search_call", action: { type: "search" } },
  ];
  assertEquals(parseResponsesRequest({ model: "m", input }).input as unknown, input);
});

Deno.test("parseResponsesRequest takes an empty input behind a previous response", () => {
  parseResponsesRequest({ model: "m", input: [], previous_response_id: "resp_1" });
  parseResponsesRequest({ model: "m", previous_response_id: "resp_1" });
});

Deno.test("parseResponsesRequest bounds items and tools before it looks into them", () => {
  const input = Array.from({ length: 10_001 }, () => 5);
  assertEquals(faultOf({ model: "m", input }).code, "array_above_max_length");
  const tools = Array.from({ length: 513 }, () => 5);
  assertEquals(faultOf({ ...ok, tools }).param, "tools");
  const error = assertThrows(
    () => parseResponsesRequest({ model: "m", input: ["a", "b"] }, { items: 1 }),
    SynthError,
  );
  assertEquals(error.code, "array_above_max_length");
});

Deno.test("parseResponsesRequest is not moved by __proto__ and keeps schemas whole", () => {
  const body = parseResponsesRequest(JSON.parse(
    `{"model":"m","input":[{"type":"odd","__proto__":{"role":"user"}}],"metadata":{"__proto__":"x"},
      "tools":[{"type":"function","name":"__proto__","parameters":{"properties":{"__proto__":{"type":"string"}}}}]}`,
  ));
  assertEquals((body.input as { role?: unknown }[])[0]?.role, undefined);
  assertEquals(
    JSON.stringify((body.tools as { parameters?: unknown }[])[0]?.parameters),
    '{"properties":{"__proto__":{"type":"string"}}}',
  );
  assertEquals(faultOf(JSON.parse('{"model":"m","input":"x","__proto__":1}')).param, "__proto__");
});

Deno.test("parseResponsesRequest takes 10,000 items of every common type", () => {
  const input = Array.from({ length: 2_500 }, (_, n) => [
    { role: "user", id: `msg_${n}`, content: [{ type: "input_text", text: "hello" }] },
    { type: "reasoning", summary: [], content: null, encrypted_content: "x" },
    { type: "function_call", call_id: `c${n}`, name: "f", arguments: "{}" },
    { type: "function_call_output", call_id: `c${n}`, output: "ok" },
  ]).flat();
  assertEquals<unknown>(parseResponsesRequest({ model: "m", input }).input, input);
});
