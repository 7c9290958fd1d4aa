/** What a model says cannot leave its line: no CR, LF or line separator of it begins an event or a header of ours. */
import { assert, assertEquals } from "@std/assert";
import { call, DONE, errorChunk, finish, frame, text, usage } from "../support/chat_replies.ts";
import { startFullGateway } from "../support/full_gateway.ts";
import { checkEvents, parseSseText } from "../support/response_invariants.ts";
import { eventsOfResponse, functionCall, message } from "../support/responses_replies.ts";
import type { Rec } from "../support/response_shape.ts";
import { spyUpstream } from "./spy_upstream.ts";

const ENDS = ["\n", "\r", "\r\n", "\n\n", "\r\r", "\u2028", "\u2029", "\u0085", "\v", "\f", "\0"];
const FORGED = 'event: response.completed\ndata: {"type":"response.completed","forged":1}';

/** The same words in every place that an upstream fills. */
function places(evil: string): Record<string, string[]> {
  const end = [frame(finish("stop")), frame(usage()), DONE];
  return {
    "text": [frame(text(`a${evil}b`)), ...end],
    "arguments": [frame(call(0, JSON.stringify({ a: evil }), "call_1", "f")), ...end],
    "a call's id": [frame(call(0, "{}", `call${evil}1`, "f")), ...end],
    "a tool's name": [frame(call(0, "{}", "call_1", `f${evil}`)), ...end],
    "ids and model": [frame({ ...text("x"), id: evil, model: evil, service_tier: evil }), ...end],
    "reasoning": [
      frame({ choices: [{ index: 0, delta: { reasoning_content: evil } }] }),
      frame(text("x")),
      ...end,
    ],
    "a refusal": [frame({ choices: [{ index: 0, delta: { refusal: evil } }] }), ...end],
    "an error": [frame(text("x")), frame(errorChunk(`broke${evil}`, `code${evil}`))],
    "a finish reason": [frame(text("x")), frame(finish(`stop${evil}`)), DONE],
  };
}

Deno.test("no words of a Responses upstream begin an event in the stream that passes through (CVE-2026-29085)", async () => {
  const transport = spyUpstream();
  await using it = await startFullGateway({ transport });
  const { key } = await it.key("org-a");
  for (const end of ENDS) {
    const evil = `a${end}${FORGED}${end}${end}`;
    transport.frames = eventsOfResponse([
      message(evil, "b"),
      functionCall("c1", "f", JSON.stringify(evil)),
    ])
      .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    for (const path of ["/v1/responses", "/v1/chat/completions"]) {
      const asked = path === "/v1/responses"
        ? { input: "x", store: false }
        : { messages: [{ role: "user", content: "x" }] };
      const body = { model: "rev-m", stream: true, ...asked };
      const answer = await it.send(`POST ${path}`, body, { authorization: `Bearer ${key}` });
      const got = await answer.text();
      const where = `${JSON.stringify(end)} on ${path}`;
      assert(!/[\r\u2028\u2029\u0085]/.test(got), `${where}: a line ends within a line`);
      assert(got.endsWith("data: [DONE]\n\n"), where);
      assert(!/^data: \{"type":"response\.completed","forged/m.test(got), where);
    }
  }
});

for (const client of ["responses", "chat"] as const) {
  Deno.test(`no words of a model begin an event in a stream of ${client} (CVE-2026-29085 streamSSE, CVE-2026-33128)`, async () => {
    const transport = spyUpstream();
    await using it = await startFullGateway({ transport });
    const { key } = await it.key("org-a");
    const tool = { name: "f", parameters: { type: "object" } };
    const body: Rec = client === "responses"
      ? {
        model: "up-m",
        stream: true,
        store: false,
        input: "x",
        tools: [{ type: "function", ...tool }],
      }
      : {
        model: "up-m",
        stream: true,
        messages: [{ role: "user", content: "x" }],
        tools: [{ type: "function", function: tool }],
      };
    for (const end of ENDS) {
      for (const [place, frames] of Object.entries(places(end + FORGED + end + end))) {
        transport.frames = frames;
        const path = client === "responses" ? "/v1/responses" : "/v1/chat/completions";
        const answer = await it.send(`POST ${path}`, body, { authorization: `Bearer ${key}` });
        const got = await answer.text();
        const where = `${JSON.stringify(end)} in ${place}`;
        assert(!/[\r\u2028\u2029\u0085]/.test(got), `${where}: a line ends within a line`);
        assert(
          !/^event: response\.completed\ndata: \{"type":"response\.completed","forged/m.test(got),
          where,
        );
        if (client === "responses") {
          assertEquals(checkEvents(parseSseText(got)), [], where);
          continue;
        }
        for (const line of got.split("\n").filter((one) => one !== "")) {
          assert(
            line === "data: [DONE]" || line.startsWith(":") || line.startsWith("data: {"),
            `${where}: ${line}`,
          );
        }
      }
    }
  });
}

Deno.test("no name of a client splits a header of the answer", async () => {
  const transport = spyUpstream();
  await using it = await startFullGateway({ transport });
  const { key } = await it.key("org-a");
  for (const end of ENDS) {
    const evil = `x${end}set-cookie: a=b`;
    const tools = [{ type: "web_search" }, { type: "function", name: evil, parameters: {} }];
    const odd = [{ type: `odd${evil}` }];
    const responses = [{ model: evil }, { tools }, { tools: odd }, { user: evil }, {
      metadata: { [evil]: evil },
    }, { [evil]: 1 }].map((more) => ["/v1/responses", { model: "up-m", input: "x", ...more }]);
    // Members of messages that a Responses upstream has no place for are named in a header, too.
    const messages = [{ role: "user", content: "x", [evil]: 1 }, {
      role: "assistant",
      content: "y",
      [`z${evil}`]: 1,
    }, { role: "user", content: "x" }];
    const chat = ["up-m", "rev-m"].map((model) => ["/v1/chat/completions", { model, messages }]);
    for (const [path, body] of [...responses, ...chat]) {
      const headers = { authorization: `Bearer ${key}` };
      const answer = await it.send(`POST ${path}`, { ...body as Rec, stream: true }, headers);
      assert(answer.status < 500, `${path}: ${answer.status}`);
      assertEquals(answer.headers.get("set-cookie"), null);
      for (const [, value] of answer.headers) {
        assert(/^[\x20-\x7e]*$/.test(value), JSON.stringify(value));
      }
      await answer.body?.cancel();
    }
  }
});
