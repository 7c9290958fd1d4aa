/** The error matrix: an upstream's failure, our answer, the attempts and what became of the leases, over real sockets. */
import { assertEquals } from "@std/assert";
import { httpError, json, sse } from "./support/chat_replies.ts";
import type { RawReply } from "./support/raw_http.ts";
import { RecordingAdmission } from "./support/recording_admission.ts";
import { checkEvents, finalResponse } from "./support/response_invariants.ts";
import { startUpstream } from "./support/scripted_upstream.ts";
import { eventsOf, ImpatientClock, startGateway } from "./support/test_gateway.ts";

const BODY = { model: "up-model", input: "Say hi" };

/** Appendix C: the upstream's answer, our answer to a unary request, the attempts, and what became of the leases. */
const MATRIX: readonly {
  name: string;
  reply: RawReply;
  status: number;
  code: string;
  attempts: number;
  book: string;
  /** Streams get `response.failed` with this code instead of an HTTP error. */
  inStream?: string;
  headers?: Record<string, string>;
}[] = [
  {
    name: "400",
    reply: json(400, { error: { message: "no good" } }),
    status: 400,
    code: "upstream_rejected",
    attempts: 1,
    book: "release lease1",
  },
  {
    name: "400 with a code",
    reply: httpError(400, "no good", "bad_thing"),
    status: 400,
    code: "bad_thing",
    attempts: 1,
    book: "release lease1",
  },
  {
    name: "400 context length",
    reply: httpError(400, "maximum context length is 8192 tokens"),
    status: 400,
    code: "context_length_exceeded",
    attempts: 1,
    book: "release lease1",
  },
  {
    name: "404",
    reply: json(404, { error: { message: "no such model" } }),
    status: 400,
    code: "upstream_rejected",
    attempts: 1,
    book: "release lease1",
  },
  {
    name: "422",
    reply: json(422, { error: { message: "no good" } }),
    status: 400,
    code: "upstream_rejected",
    attempts: 1,
    book: "release lease1",
  },
  {
    name: "401",
    reply: httpError(401, "bad key sk-hint"),
    status: 502,
    code: "upstream_auth",
    attempts: 1,
    book: "release lease1",
    inStream: "server_error",
  },
  {
    name: "403",
    reply: httpError(403, "forbidden"),
    status: 502,
    code: "upstream_auth",
    attempts: 1,
    book: "release lease1",
    inStream: "server_error",
  },
  {
    name: "402",
    reply: httpError(402, "pay"),
    status: 429,
    code: "insufficient_quota",
    attempts: 1,
    book: "release lease1",
    headers: { "x-should-retry": "false" },
  },
  {
    name: "408",
    reply: httpError(408, "slow"),
    status: 502,
    code: "upstream_error",
    attempts: 3,
    book: "release lease1",
    inStream: "server_error",
  },
  {
    name: "409",
    reply: httpError(409, "conflict"),
    status: 502,
    code: "upstream_error",
    attempts: 3,
    book: "release lease1",
    inStream: "server_error",
  },
  {
    name: "425",
    reply: httpError(425, "early"),
    status: 502,
    code: "upstream_error",
    attempts: 3,
    book: "release lease1",
    inStream: "server_error",
  },
  {
    name: "413",
    reply: httpError(413, "large"),
    status: 400,
    code: "context_length_exceeded",
    attempts: 1,
    book: "release lease1",
  },
  {
    name: "429",
    reply: httpError(429, "slow down"),
    status: 429,
    code: "rate_limit_exceeded",
    attempts: 3,
    book: "release lease1",
    headers: { "retry-after": "2" },
  },
  {
    name: "429 for long",
    reply: httpError(429, "slow down", null, { "retry-after": "60" }),
    status: 429,
    code: "rate_limit_exceeded",
    attempts: 1,
    book: "release lease1",
    headers: { "retry-after": "60" },
  },
  {
    name: "429 without quota",
    reply: httpError(429, "You exceeded your current quota", "insufficient_quota"),
    status: 429,
    code: "insufficient_quota",
    attempts: 1,
    book: "release lease1",
  },
  {
    name: "503",
    reply: httpError(503, "busy"),
    status: 502,
    code: "upstream_error",
    attempts: 3,
    book: "release lease1",
    inStream: "server_error",
  },
  {
    name: "500",
    reply: httpError(500, "broke"),
    status: 502,
    code: "upstream_error",
    attempts: 2,
    book: "charge lease1,renew lease2,charge lease2",
    inStream: "server_error",
  },
  {
    name: "502",
    reply: httpError(502, "broke"),
    status: 502,
    code: "upstream_error",
    attempts: 2,
    book: "charge lease1,renew lease2,charge lease2",
    inStream: "server_error",
  },
  {
    name: "504",
    reply: httpError(504, "broke"),
    status: 502,
    code: "upstream_error",
    attempts: 2,
    book: "charge lease1,renew lease2,charge lease2",
    inStream: "server_error",
  },
  {
    name: "529",
    reply: httpError(529, "busy"),
    status: 502,
    code: "upstream_error",
    attempts: 2,
    book: "charge lease1,renew lease2,charge lease2",
    inStream: "server_error",
  },
  {
    name: "501",
    reply: httpError(501, "never"),
    status: 502,
    code: "upstream_error",
    attempts: 1,
    book: "release lease1",
    inStream: "server_error",
  },
  {
    name: "307",
    reply: { status: 307, headers: { location: "http://127.0.0.1:1/" }, steps: [] },
    status: 502,
    code: "upstream_redirect",
    attempts: 1,
    book: "charge lease1",
    inStream: "server_error",
  },
  {
    name: "200 with an error 429",
    reply: json(200, { error: { message: "slow down", code: 429 } }),
    status: 429,
    code: "rate_limit_exceeded",
    attempts: 1,
    book: "release lease1",
    headers: { "retry-after": "2" },
  },
  {
    name: "200 with an error 500",
    reply: json(200, { error: { message: "broke", code: 500 } }),
    status: 502,
    code: "upstream_error",
    attempts: 1,
    book: "charge lease1",
    inStream: "server_error",
  },
  {
    name: "200 with broken JSON",
    reply: { status: 200, headers: { "content-type": "application/json" }, steps: ["{"] },
    status: 502,
    code: "upstream_invalid_answer",
    attempts: 1,
    book: "charge lease1",
    inStream: "server_error",
  },
  {
    name: "a closed connection",
    reply: sse([], { before: "cut" }),
    status: 502,
    code: "upstream_unreachable",
    attempts: 2,
    book: "charge lease1,renew lease2,charge lease2",
    inStream: "server_error",
  },
  {
    name: "a reset",
    reply: sse([], { before: "reset" }),
    status: 502,
    code: "upstream_unreachable",
    attempts: 2,
    book: "charge lease1,renew lease2,charge lease2",
    inStream: "server_error",
  },
];

for (const row of MATRIX) {
  for (const stream of [false, true]) {
    Deno.test(`gateway answers an upstream's ${row.name}, ${stream ? "streamed" : "whole"}`, async () => {
      await using upstream = await startUpstream({ reply: () => row.reply });
      const clock = new ImpatientClock();
      const admission = new RecordingAdmission();
      await using it = await startGateway({ baseUrl: upstream.baseUrl, clock, admission });
      const response = await it.post("/v1/responses", { ...BODY, stream });
      if (stream && row.inStream !== undefined) {
        assertEquals(response.status, 200);
        const events = await eventsOf(response);
        assertEquals(checkEvents(events), []);
        const error = finalResponse(events).error as { code: string };
        assertEquals(error.code, row.inStream);
      } else {
        assertEquals(response.status, row.status);
        const { error } = await response.json();
        assertEquals(error.code, row.code);
        for (const [name, value] of Object.entries(row.headers ?? {})) {
          assertEquals(response.headers.get(name), value);
        }
      }
      assertEquals(upstream.requests.length, row.attempts);
      assertEquals(admission.book.join(), `admit lease1,${row.book}`);
    });
  }
}
