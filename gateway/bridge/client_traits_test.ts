import { assertEquals } from "@std/assert";
import { clientTraits } from "./client_traits.ts";

Deno.test("clientTraits knows the agents and SDKs by what they send", () => {
  const cases: [{ [name: string]: string }, string, boolean][] = [
    [{ originator: "codex_exec", "user-agent": "codex_exec/0.169.0 (x)" }, "codex", true],
    [{ "user-agent": "codex_cli_rs/0.169.0" }, "codex", true],
    [{ originator: "codex-tui" }, "codex", true],
    [{ "user-agent": "opencode/1.18.33 ai-sdk/provider-utils/4.0.40" }, "opencode", true],
    [{ "user-agent": "ai/6.0.0 ai-sdk/openai/3.0.0 runtime/node.js" }, "ai-sdk", true],
    [{ "user-agent": "OpenAI/JS 7.57.0" }, "openai-sdk", false],
    [{ "user-agent": "AsyncOpenAI/Python 2.0.0" }, "openai-sdk", false],
    [{ "user-agent": "curl/8.0" }, "other", false],
    [{}, "other", false],
  ];
  for (const [headers, kind, refusalAsText] of cases) {
    assertEquals(clientTraits(new Headers(headers)), { kind, refusalAsText } as never);
  }
});
