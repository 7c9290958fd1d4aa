/** opencode over Chat Completions on an upstream that speaks the Responses API alone. @module */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { startGatewayProcess } from "../support/gateway_process.ts";
import { opencodeHome } from "../support/opencode.ts";
import type { RawReply } from "../support/raw_http.ts";
import { isRecord } from "../support/response_shape.ts";
import {
  eventsOfResponse,
  functionCall,
  message,
  reasoning,
  responsesStream,
} from "../support/responses_replies.ts";
import { startResponsesUpstream } from "../support/scripted_responses_upstream.ts";

const COMMAND = { command: "echo hi-from-shell > out.txt; cat out.txt", description: "write" };

function config(baseUrl: string): string {
  return `
[upstreams.up]
base_url = "${baseUrl}"
api = "responses"
[models.synth-small]
upstream = "up"
model = "upstream-model"
price = { input = 1.0, output = 2.0 }
`;
}

Deno.test("opencode over Chat on a Responses upstream: a tool call really runs, its output goes back", async () => {
  const turns: RawReply[] = [
    responsesStream(eventsOfResponse([
      reasoning("I need ", "the shell."),
      functionCall("call_0", "bash", ...JSON.stringify(COMMAND).split(/(?<=:)/)),
    ])),
    responsesStream(eventsOfResponse([message("The file ", "is there.")])),
  ];
  await using upstream = await startResponsesUpstream(({ body }) =>
    (body.tools === undefined ? null : turns.shift()) ??
      responsesStream(eventsOfResponse([message("A title")]))
  );
  await using gateway = await startGatewayProcess({ config: config(upstream.baseUrl) });
  const npm = "@ai-sdk/openai-compatible";
  await using opencode = await opencodeHome(gateway.origin, gateway.apiKey, { npm });
  const result = await opencode.run("write out.txt");
  assertEquals(result.code, 0, result.stdout + result.stderr);
  assertEquals(await opencode.read("out.txt"), "hi-from-shell\n");
  assertStringIncludes(result.stdout, "The file is there.");
  const main = upstream.requests.filter(({ body }) => body.tools !== undefined);
  assertEquals(main.length, 2);
  const [first, second] = main.map(({ body }) => body);
  assertEquals([first!.model, first!.store, first!.stream], ["upstream-model", false, true]);
  assert(typeof first!.instructions === "string" && first!.instructions.length > 1000);
  assert(Number(first!.max_output_tokens) >= 16);
  const input = (second!.input as unknown[]).filter(isRecord);
  const [called, output] = input.slice(-2);
  assertEquals([called!.type, output!.type], ["function_call", "function_call_output"]);
  assertEquals([called!.call_id, output!.call_id], ["call_0", "call_0"]);
  assertStringIncludes(String(output!.output), "hi-from-shell");
});
