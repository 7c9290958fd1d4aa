import { assertEquals, assertFalse, assertInstanceOf } from "@std/assert";
import { EXIT, SynthError } from "./errors.ts";

Deno.test("SynthError derives type and exit code from its status", () => {
  const cases: [status: number, type: string, exitCode: number][] = [
    [400, "invalid_request_error", EXIT.failed],
    [401, "authentication_error", EXIT.auth],
    [402, "invalid_request_error", EXIT.budget],
    [403, "permission_error", EXIT.auth],
    [404, "not_found_error", EXIT.notFound],
    [429, "rate_limit_error", EXIT.budget],
    [500, "server_error", EXIT.failed],
    [503, "server_error", EXIT.unavailable],
    [504, "server_error", EXIT.unavailable],
  ];
  for (const [status, type, exitCode] of cases) {
    const error = new SynthError("m", { code: "c", status });
    assertEquals([error.type, error.exitCode], [type, exitCode], String(status));
  }
  const plain = new SynthError("m", { code: "c" });
  assertEquals([plain.status, plain.name, plain.message], [500, "SynthError", "m"]);
  assertInstanceOf(plain, Error);
});

Deno.test("SynthError takes what it is given before what it could derive", () => {
  const error = new SynthError("m", {
    code: "c",
    status: 429,
    type: "insufficient_quota",
    exitCode: 75,
  });
  assertEquals([error.type, error.exitCode], ["insufficient_quota", 75]);
});

Deno.test("SynthError toBody has the four members, the details, and the hint in its message", () => {
  const error = new SynthError("The limit is reached", {
    code: "session_limit_exceeded",
    status: 429,
    param: "input[3]",
    hint: "Raise it",
    details: { limit: 5, code: "not mine", message: "nor mine", type: "nor mine" },
  });
  assertEquals(error.toBody(), {
    error: {
      limit: 5,
      type: "rate_limit_error",
      code: "session_limit_exceeded",
      message: "The limit is reached. Raise it",
      param: "input[3]",
    },
  });
  assertEquals(new SynthError("m", { code: "c" }).toBody().error.param, null);
  const ended = new SynthError("Not found.", { code: "c", hint: "Look there" });
  assertEquals(ended.toBody().error.message, "Not found. Look there");
});

Deno.test("SynthError toResponse is JSON that nobody may cache, with its headers and the request id", async () => {
  const error = new SynthError("m", {
    code: "c",
    status: 401,
    headers: { "www-authenticate": "Bearer", "content-type": "text/html" },
  });
  const response = error.toResponse("req_1");
  assertEquals(response.status, 401);
  assertEquals(response.headers.get("content-type"), "application/json");
  assertEquals(response.headers.get("cache-control"), "no-store");
  assertEquals(response.headers.get("www-authenticate"), "Bearer");
  assertEquals(response.headers.get("x-request-id"), "req_1");
  const { error: members } = error.toBody();
  assertEquals(await response.json(), { error: { ...members, request_id: "req_1" } });
  assertEquals(await error.toResponse().json(), error.toBody());
  assertFalse(error.toResponse().headers.has("x-request-id"));
});

Deno.test("SynthError keeps its cause to itself", async () => {
  const cause = new Error("redis://user:hunter2@host refused");
  const error = new SynthError("The store is down", {
    code: "store_unavailable",
    status: 503,
    cause,
  });
  assertEquals(error.cause, cause);
  assertFalse("cause" in new SynthError("m", { code: "c" }));
  const shown = error.toCliMessage() + await error.toResponse().text();
  assertFalse(shown.includes("hunter2"));
});

Deno.test("SynthError toCliMessage says what happened, then what to do", () => {
  assertEquals(new SynthError("No", { code: "c" }).toCliMessage(), "error: No [c]");
  const lines = new SynthError("No", { code: "c", hint: "Do x" }).toCliMessage().split("\n");
  assertEquals(lines, ["error: No [c]", "  Do x"]);
});
