import { assertEquals, assertMatch } from "@std/assert";
import { DEEPSEEK } from "../../upstreams/profiles/deepseek.ts";
import { GENERIC } from "../../upstreams/profiles/generic.ts";
import { GROQ } from "../../upstreams/profiles/groq.ts";
import { LMSTUDIO } from "../../upstreams/profiles/lmstudio.ts";
import { MOONSHOT } from "../../upstreams/profiles/moonshot.ts";
import { OPENAI } from "../../upstreams/profiles/openai.ts";
import { OPENROUTER } from "../../upstreams/profiles/openrouter.ts";
import { createSealer, generateSealKey, parseSealKeys } from "../seal.ts";
import { call, messagesOf, output, planOf, refusalOf, sketch, user } from "../testing/plan.ts";
import { itemReferences } from "./references.ts";

const IMAGE = "data:image/png;base64,AAAA";

function part(role: string, ...content: unknown[]): { [key: string]: unknown } {
  return { type: "message", role, content };
}

Deno.test("items: user text is a string, several parts are parts", () => {
  assertEquals(messagesOf([{ role: "user", content: "a" }]), [user("a")]);
  assertEquals(messagesOf([part("user", { type: "input_text", text: "a" })]), [user("a")]);
  assertEquals(
    messagesOf([
      part(
        "user",
        { type: "input_text", text: "a" },
        { type: "input_image", image_url: IMAGE, detail: "original" },
        { type: "input_image", image_url: "https://example.com/x", detail: null },
      ),
    ]),
    [{
      role: "user",
      content: [
        { type: "text", text: "a" },
        { type: "image_url", image_url: { url: IMAGE, detail: "high" } },
        { type: "image_url", image_url: { url: "https://example.com/x" } },
      ],
    }],
  );
});

Deno.test("items: images, files and audio that an upstream does not take are refused with their place", () => {
  const refused = (content: unknown, profile = GENERIC) =>
    refusalOf({ input: [part("user", content)] }, { profile });
  const unsupported = "400 unsupported_content input[0].content[0]";
  assertEquals(refused({ type: "input_image", file_id: "file_1" }), unsupported);
  assertEquals(refused({ type: "input_file", file_id: "file_1" }), unsupported);
  assertEquals(refused({ type: "input_file", file_url: "https://example.com/x" }), unsupported);
  assertEquals(refused({ type: "input_video" }), unsupported);
  assertEquals(refused({ type: "input_image", image_url: IMAGE }, DEEPSEEK), unsupported);
  assertEquals(refused({ type: "input_image", image_url: "https://x.y/z" }, MOONSHOT), unsupported);
  assertEquals(refused({ type: "input_image", image_url: IMAGE }, MOONSHOT), "no error");
  assertEquals(
    refused({ type: "input_image", image_url: "file:///etc/passwd" }),
    "400 invalid_value input[0].content[0].image_url",
  );
  const audio = { type: "input_audio", input_audio: { data: "AAAA", format: "wav" } };
  assertEquals(refused(audio), unsupported);
  assertEquals(messagesOf([part("user", audio)], { profile: OPENAI }), [
    { role: "user", content: [audio] },
  ] as never);
});

Deno.test("items: text files are inlined, others go only where files are known", () => {
  const file = (file_data: string) => ({ type: "input_file", filename: "a.txt", file_data });
  const text = "[file a.txt]\nhi é";
  const base64 = "data:text/plain;base64,aGkgw6k=";
  assertEquals(messagesOf([part("user", file(base64))]), [user(text)]);
  assertEquals(messagesOf([part("user", file("data:text/markdown;charset=utf-8,hi%20%C3%A9"))]), [
    user(text),
  ]);
  const pdf = file("data:application/pdf;base64,AAAA");
  assertEquals(
    refusalOf({ input: [part("user", pdf)] }),
    "400 unsupported_content input[0].content[0]",
  );
  assertEquals(messagesOf([part("user", pdf)], { profile: OPENAI }), [{
    role: "user",
    content: [{ type: "file", file: { filename: "a.txt", file_data: pdf.file_data } }],
  }]);
});

Deno.test("items: assistant text is one string, whatever its parts are called", () => {
  const texts = [
    { type: "output_text", text: "a", annotations: [], logprobs: [] },
    { type: "input_text", text: "b" },
  ];
  assertEquals(messagesOf([{ ...part("assistant", ...texts), phase: "final_answer", id: "m" }]), [
    { role: "assistant", content: "ab" },
  ]);
  const refusal = part("assistant", { type: "refusal", refusal: "no" });
  assertEquals(messagesOf([refusal]), [{ role: "assistant", content: "no" }]);
  assertEquals(messagesOf([refusal], { profile: OPENAI }), [
    { role: "assistant", content: null, refusal: "no" },
  ]);
});

Deno.test("items: every kind of call becomes a function call under its flat name", () => {
  const kinds: [{ [key: string]: unknown }, string, unknown][] = [
    [{ type: "function_call", name: "f", namespace: "ns", arguments: "" }, "ns__f", {}],
    [{ type: "function_call", name: "f", namespace: "functions", arguments: "{}" }, "f", {}],
    [{ type: "function_call", name: "f", arguments: '{"cut' }, "f", { input: '{"cut' }],
    [{ type: "custom_tool_call", name: "p", input: 'a"b' }, "p", { input: 'a"b' }],
    [{ type: "tool_search_call", arguments: { query: "q" } }, "tool_search", { query: "q" }],
    [
      {
        type: "local_shell_call",
        action: { type: "exec", command: ["ls"], working_directory: "/", env: {}, user: null },
      },
      "local_shell",
      { command: ["ls"], workdir: "/", env: {} },
    ],
    [
      { type: "shell_call", action: { commands: ["ls"], timeout_ms: 5 } },
      "shell",
      { commands: ["ls"], timeout_ms: 5 },
    ],
    [
      { type: "apply_patch_call", operation: { type: "delete_file", path: "a" } },
      "apply_patch",
      { operation: { type: "delete_file", path: "a" } },
    ],
  ];
  for (const [item, name, args] of kinds) {
    const [message] = messagesOf([{ ...item, call_id: "c" }]);
    const [made] = message?.role === "assistant" ? message.tool_calls ?? [] : [];
    assertEquals(made?.type === "function" && made.function.name, name);
    assertEquals(JSON.parse(made?.type === "function" ? made.function.arguments : ""), args);
  }
});

Deno.test("items: a native custom call and arguments that are kept, at OpenAI", () => {
  const [message] = messagesOf([
    { type: "custom_tool_call", call_id: "c", name: "p", input: "raw" },
    call("d", "f", '{"cut'),
  ], { profile: OPENAI });
  assertEquals(message?.role === "assistant" && message.tool_calls, [
    { id: "c", type: "custom", custom: { name: "p", input: "raw" } },
    { id: "d", type: "function", function: { name: "f", arguments: '{"cut' } },
  ]);
});

Deno.test("items: every kind of output is a tool message", () => {
  const outputs: [{ [key: string]: unknown }, string][] = [
    [{ type: "custom_tool_call_output", output: [{ type: "input_text", text: "x" }] }, "x"],
    [{ type: "shell_call_output", output: [{ stdout: "x" }] }, '[{"stdout":"x"}]'],
    [{ type: "apply_patch_call_output", status: "completed" }, "completed"],
    [
      {
        type: "tool_search_output",
        tools: [
          { type: "function", name: "f", description: "does f" },
          { type: "namespace", name: "n", tools: [{ type: "function", name: "g" }] },
        ],
      },
      "Tools found:\n- f: does f\n- n__g",
    ],
    [{ type: "tool_search_output", tools: [] }, "No tools found."],
  ];
  for (const [item, text] of outputs) {
    assertEquals(sketch(messagesOf([call("c"), { ...item, call_id: "c" }])), [
      "a:[c]",
      `t:c=${text}`,
    ]);
  }
  const local = { type: "local_shell_call", call_id: "c", action: { command: ["ls"] } };
  assertEquals(
    sketch(messagesOf([local, { type: "local_shell_call_output", id: "c", output: "x" }])),
    ["a:[c]", "t:c=x"],
    "the one output that names its call by id",
  );
});

Deno.test("items: what cannot be sent of a tool's output is marked and declared, never refused", () => {
  const plan = planOf({
    input: [call("c"), {
      type: "function_call_output",
      call_id: "c",
      output: [{ type: "input_text", text: "shot" }, { type: "input_image", image_url: IMAGE }],
    }],
  }, { profile: DEEPSEEK });
  assertMatch(String(plan.chat.messages[1]?.content), /^shot\n\[image left out: /);
  assertEquals(plan.ignored, ["tool_output.image"]);
});

Deno.test("items: hosted calls and unknown items are dropped and declared, their text is kept", () => {
  const plan = planOf({
    input: [
      { type: "web_search_call", id: "ws" },
      { type: "mcp_list_tools\r\nx: y", tools: [] },
      { type: "agent_message", content: [{ type: "t", text: "from another" }] },
      user("u"),
    ],
  });
  assertEquals(sketch(plan.chat.messages), ["u:from another", "u:u"]);
  assertEquals(plan.ignored, ["input:web_search_call", "input:mcp_list_tools__x:_y"]);
});

Deno.test("items: what is declared can stand in a header, whatever a client invents", () => {
  const odd = Array.from({ length: 100 }, (_, n) => ({ type: `odd\r\n${n}☃` }));
  const output = [{ type: "input_x\r\ny: z", data: 1 }];
  const plan = planOf({
    input: [{ type: "function_call_output", call_id: "c", output }, ...odd, user("u")],
    tools: odd,
  });
  assertEquals(plan.ignored[0], "tool_output.x__y:_z");
  assertEquals([plan.ignored.length, plan.droppedTools.length], [32, 32]);
  new Headers({ a: plan.ignored.join(", "), b: plan.droppedTools.join(", ") });
});

Deno.test("items: a reference is the stored item, or a 400", () => {
  const reference = { type: "item_reference", id: "msg_1" };
  assertEquals(refusalOf({ input: [reference] }), "400 item_not_found input[0]");
  const stored = { role: "user", content: "stored", type: "message", id: "msg_1" } as const;
  assertEquals(messagesOf([reference], { references: new Map([["msg_1", stored]]) }), [
    user("stored"),
  ]);
  assertEquals(messagesOf([reference], { history: [stored] }), [user("stored"), user("stored")]);
  assertEquals(itemReferences({ model: "m", input: [reference] }), ["msg_1"]);
});

Deno.test("items: history comes before the input and is not changed", () => {
  const history = [{ role: "user", content: "old" } as const, call("a") as never];
  const before = JSON.stringify(history);
  assertEquals(sketch(messagesOf([output("a", "1"), user("new")], { history })), [
    "u:old",
    "a:[a]",
    "t:a=1",
    "u:new",
  ]);
  assertEquals(JSON.stringify(history), before);
});

Deno.test("system text: instructions and all leading items are one message", () => {
  const plan = planOf({
    instructions: "one",
    input: [
      { type: "additional_tools", role: "developer", tools: [] },
      { role: "developer", content: "two" },
      part("system", { type: "input_text", text: "three" }, { type: "input_text", text: "four" }),
      { role: "developer", content: "" },
      user("u"),
      { role: "developer", content: "late" },
    ],
  });
  assertEquals(sketch(plan.chat.messages), [
    "s:one\n\ntwo\n\nthree\n\nfour",
    "u:u",
    "u:<system-reminder>\nlate\n</system-reminder>",
  ]);
  assertEquals(
    refusalOf({ input: [part("system", { type: "input_image", image_url: IMAGE })] }),
    "400 unsupported_content input[0].content[0]",
  );
});

Deno.test("reasoning goes back from our seal, then its text, then where required its summary", () => {
  const sealer = createSealer(parseSealKeys(generateSealKey("k")));
  const scope = { org: "org", model: "up" };
  const details = [{ type: "reasoning.text", text: "sealed", signature: "sig" }];
  const seal = sealer.seal({ kind: "reasoning", text: "sealed", details }, scope);
  const reasoning = {
    type: "reasoning",
    summary: [{ type: "summary_text", text: "summary" }],
    content: [{ type: "reasoning_text", text: "raw" }],
    encrypted_content: seal,
  };
  const back = (item: { [key: string]: unknown }, profile = GENERIC, other = sealer) => {
    const [message] = messagesOf([item, call("a")], { profile, sealer: other });
    const { role: _role, content: _content, tool_calls: _calls, ...rest } = message as unknown as {
      [key: string]: unknown;
    };
    return rest;
  };
  assertEquals(back(reasoning), { reasoning_content: "sealed" });
  assertEquals(back(reasoning, GROQ), { reasoning: "sealed" });
  assertEquals(back(reasoning, OPENROUTER), { reasoning_details: details });
  assertEquals(back(reasoning, OPENAI), {});
  const stranger = createSealer(parseSealKeys(generateSealKey("k")));
  assertEquals(back(reasoning, GENERIC, stranger), { reasoning_content: "raw" });
  assertEquals(back(reasoning, OPENROUTER, stranger), { reasoning: "raw" });
  const foreign = { ...reasoning, encrypted_content: "gAAAA", content: null };
  assertEquals(back(foreign), {});
  assertEquals(back(foreign, DEEPSEEK), { reasoning_content: "summary" });
  assertEquals(back({ type: "reasoning" }, DEEPSEEK), {});
});

Deno.test("reasoning.context current_turn sends only what follows the last user message", () => {
  const thinks = (text: string) => ({ type: "reasoning", summary: [], content: [{ text }] });
  const input = [user("a"), thinks("old"), call("x"), user("b"), thinks("new"), call("y")];
  const sent = (context: string) =>
    planOf({ input, reasoning: { context } }).chat.messages.flatMap((message) =>
      message.role === "assistant" ? [message.reasoning_content ?? null] : []
    );
  assertEquals(sent("all_turns"), ["old", "new"]);
  assertEquals(sent("current_turn"), [null, "new"]);
});

Deno.test("compaction: a trigger at the end asks for a summary, and our seal is read back", () => {
  const tools = [{ type: "function", name: "f" }];
  const sealer = createSealer(parseSealKeys(generateSealKey("k")));
  const trigger = [user("a"), { type: "compaction_trigger" }];
  const text = { format: { type: "json_object" } };
  const plan = planOf({ tools, input: trigger, text }, { sealer, profile: LMSTUDIO });
  assertEquals(plan.compaction, true);
  assertEquals(plan.chat.tools, undefined);
  assertEquals(plan.chat.messages.length, 2, "no hint of a format");
  assertMatch(String(plan.chat.messages.at(-1)?.content), /^Write a summary/);
  assertEquals(refusalOf({ input: trigger }), "400 compaction_unavailable input");
  assertEquals(
    refusalOf({ input: [{ type: "compaction_trigger" }, user("a")] }),
    "400 invalid_value input[0]",
  );
  const seal = sealer.seal({ kind: "compaction", text: "sum" }, { org: "org", model: "up" });
  const item = { type: "compaction", encrypted_content: seal };
  assertEquals(sketch(messagesOf([item, user("go on")], { sealer })), [
    "u:[Summary of the conversation so far]\nsum",
    "u:go on",
  ]);
  const foreign = planOf({ input: [item, user("go on")] });
  assertMatch(String(foreign.chat.messages[0]?.content), /cannot be read here/);
  assertEquals(foreign.ignored, ["input:compaction"]);
});
