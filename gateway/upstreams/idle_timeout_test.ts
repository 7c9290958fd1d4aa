import { assertEquals } from "@std/assert";
import { idleTimeoutMs } from "./idle_timeout.ts";
import { GENERIC } from "./profiles/generic.ts";
import { OLLAMA } from "./profiles/ollama.ts";

Deno.test("idleTimeoutMs is the operator's, and longer for servers that load models on the first request", () => {
  assertEquals(idleTimeoutMs({ idle_timeout_s: 120 }, GENERIC), 120_000);
  assertEquals(idleTimeoutMs({ idle_timeout_s: 0.2 }, GENERIC), 200);
  assertEquals(idleTimeoutMs({ idle_timeout_s: 120 }, OLLAMA), 300_000);
  assertEquals(idleTimeoutMs({ idle_timeout_s: 900 }, OLLAMA), 900_000);
});
