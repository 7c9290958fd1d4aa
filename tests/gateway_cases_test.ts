/** Every scripted behaviour of an upstream, through the whole gateway over real sockets, streamed and whole. */
import { assertEquals } from "@std/assert";
import { compareError, compareResponse } from "./support/compare_case.ts";
import { checkEvents, checkResponse, finalResponse } from "./support/response_invariants.ts";
import { CASES, TOOLS } from "./support/scripted_cases.ts";
import { startUpstream } from "./support/scripted_upstream.ts";
import { eventsOf, startGateway } from "./support/test_gateway.ts";

function body(name: string, stream: boolean): object {
  return { model: `mock-${name}`, input: "Say hi", stream, tools: TOOLS };
}

for (const [name, { expect, slow }] of CASES) {
  const settings = slow ? { idle_timeout_s: 0.2 } : {};

  Deno.test(`gateway streams the case ${name}`, async () => {
    await using upstream = await startUpstream();
    await using it = await startGateway({ baseUrl: upstream.baseUrl, settings });
    const response = await it.post("/v1/responses", body(name, true));
    if (expect.status === "http") {
      return assertEquals(compareError(expect, response.status, await response.json()), []);
    }
    assertEquals(response.status, 200);
    const events = await eventsOf(response);
    assertEquals(checkEvents(events), []);
    assertEquals(compareResponse(expect, finalResponse(events)), []);
  });

  Deno.test(`gateway answers the case ${name} whole`, async () => {
    await using upstream = await startUpstream();
    await using it = await startGateway({ baseUrl: upstream.baseUrl, settings });
    const response = await it.post("/v1/responses", body(name, false));
    const answer = await response.json();
    if (expect.status === "http" || expect.status === "failed") {
      return assertEquals(compareError(expect, response.status, answer), []);
    }
    assertEquals(response.status, 200);
    assertEquals(checkResponse(answer), []);
    assertEquals(compareResponse(expect, answer), []);
  });
}
