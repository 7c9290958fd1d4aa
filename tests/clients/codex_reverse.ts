/** The real Codex CLI on an upstream that speaks the Responses API itself. @module */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { codexHome } from "../support/codex.ts";
import { startGatewayProcess } from "../support/gateway_process.ts";
import { isRecord, type Rec } from "../support/response_shape.ts";
import {
  eventsOfResponse,
  functionCall,
  message,
  reasoning,
  responsesStream,
} from "../support/responses_replies.ts";
import { startResponsesUpstream } from "../support/scripted_responses_upstream.ts";

Deno.test("codex on a Responses upstream: a tool call really runs, the upstream's seal goes back as it came", async () => {
  const cmd = JSON.stringify({ cmd: "echo hi-from-shell > out.txt; cat out.txt" });
  const turns = [
    eventsOfResponse([reasoning("I need ", "it."), functionCall("call_0", "exec_command", cmd)]),
    eventsOfResponse([message("The file ", "is there.")]),
  ];
  await using upstream = await startResponsesUpstream((_, n) => responsesStream(turns[n] ?? []));
  await using gateway = await startGatewayProcess({
    config: `
[upstreams.up]
base_url = "${upstream.baseUrl}"
api = "responses"
[models.synth-small]
upstream = "up"
model = "upstream-model"
price = { input = 1.0, output = 2.0 }
`,
  });
  await using codex = await codexHome(gateway.origin, gateway.apiKey);
  const result = await codex.exec("synth-small", "write out.txt");
  assertEquals(result.code, 0, result.stdout + result.stderr);
  assertEquals(await Deno.readTextFile(`${codex.work}/out.txt`), "hi-from-shell\n");
  assertEquals(result.messages.at(-1), "The file is there.");
  assertEquals(upstream.requests.length, 2);
  // Its web search cannot be bounded, and the session has a cost limit.
  const tools = upstream.requests[0]!.body.tools as Rec[];
  assert(tools.length > 3 && tools.every(({ type }) => type !== "web_search"));
  const { model, store, input } = upstream.requests[1]!.body;
  assertEquals([model, store], ["upstream-model", false]);
  const items = (input as unknown[]).filter(isRecord);
  const sealed = items.find(({ type }) => type === "reasoning");
  assertEquals(sealed?.encrypted_content, "gAAAA-sealed+/=");
  assertStringIncludes(JSON.stringify(items.at(-1)), "hi-from-shell");
});
