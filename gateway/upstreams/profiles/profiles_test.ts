import { assert, assertEquals } from "@std/assert";
import { planOf, user } from "../../bridge/testing/plan.ts";
import { GENERIC } from "./generic.ts";
import { profileNamed, PROFILES } from "./mod.ts";

const NAMES = [
  "generic",
  "uncapped",
  "openai",
  "deepseek",
  "groq",
  "mistral",
  "qwen",
  "xai",
  "moonshot",
  "openrouter",
  "zai",
  "ollama",
  "vllm",
  "llamacpp",
  "lmstudio",
];

Deno.test("profileNamed finds every profile by its own name, and nothing else", () => {
  assertEquals([...PROFILES.keys()], NAMES);
  for (const name of NAMES) assertEquals(profileNamed(name)?.name, name);
  for (const name of ["", "OpenAI", "__proto__", "constructor"]) {
    assertEquals(profileNamed(name), null, name);
  }
});

Deno.test("every profile sets all flags, and only flags that exist", () => {
  for (const profile of PROFILES.values()) {
    assertEquals(Object.keys(profile).sort(), Object.keys(GENERIC).sort(), profile.name);
    assert(profile.idleTimeoutMs === 0 || profile.idleTimeoutMs >= 60_000, profile.name);
  }
});

/** What each upstream is sent for one request that touches every flag of the request side. */
Deno.test("one request in the words of every upstream", () => {
  const rows = [...PROFILES.values()].map((profile) => {
    const { chat } = planOf({
      instructions: "s",
      input: [
        user("u"),
        { type: "reasoning", summary: [{ text: "sum" }], content: null },
        { type: "function_call", call_id: "call_1", name: "f", arguments: "{" },
        { role: "developer", content: "d" },
      ],
      tools: [{ type: "custom", name: "c" }, { type: "function", name: "f", strict: true }],
      tool_choice: { type: "function", name: "f" },
      parallel_tool_calls: true,
      max_output_tokens: 9,
      temperature: 1,
      presence_penalty: 1,
      top_logprobs: 1,
      reasoning: { effort: "max" },
    }, { profile });
    const assistant = chat.messages.find((message) => message.role === "assistant");
    const [call] = assistant?.role === "assistant" ? assistant.tool_calls ?? [] : [];
    const { reasoning } = chat as { reasoning?: { effort?: string } };
    return [
      profile.name,
      chat.messages[0]!.role === "developer" && "developer",
      chat.messages.at(-1)!.role === "developer" && "mid_developer",
      chat.max_completion_tokens === 9 ? "completion_cap" : chat.max_tokens === 9 && "cap",
      chat.stream_options !== undefined && "usage",
      chat.parallel_tool_calls !== undefined && "parallel",
      typeof chat.tool_choice === "object" ? "named" : `choice_${String(chat.tool_choice)}`,
      chat.tools?.some((tool) => tool.type === "custom") && "native_custom",
      chat.tools?.some((tool) => tool.type === "function" && tool.function.strict) && "strict",
      `effort_${chat.reasoning_effort ?? reasoning?.effort ?? "-"}`,
      chat.presence_penalty !== undefined && "penalties",
      chat.logprobs !== undefined && "logprobs",
      assistant?.role === "assistant" && assistant.reasoning_content !== undefined &&
      "summary_back",
      assistant?.content === "" && "empty_content",
      call?.id !== "call_1" && "other_id",
      call?.type === "function" && call.function.arguments === "{" && "bad_arguments",
    ].filter((word) => typeof word === "string").join(" ");
  });
  assertEquals(rows, [
    "generic cap usage parallel named strict effort_high penalties logprobs",
    "uncapped cap usage parallel named strict effort_high penalties logprobs",
    "openai developer mid_developer completion_cap usage parallel named native_custom strict " +
    "effort_xhigh penalties logprobs bad_arguments",
    "deepseek cap usage named effort_max penalties logprobs summary_back",
    "groq completion_cap usage parallel named strict effort_high",
    "mistral cap parallel named strict effort_- penalties empty_content other_id",
    "qwen cap usage parallel named effort_- penalties logprobs",
    "xai completion_cap usage parallel named strict effort_high logprobs",
    "moonshot cap usage named effort_- penalties summary_back",
    "openrouter cap usage parallel named strict effort_xhigh penalties logprobs",
    "zai cap usage choice_auto effort_-",
    "ollama cap usage choice_auto effort_high penalties",
    "vllm cap usage parallel named strict effort_high penalties logprobs",
    "llamacpp cap usage parallel choice_required effort_- penalties logprobs",
    "lmstudio cap usage choice_required effort_- penalties",
  ]);
});
