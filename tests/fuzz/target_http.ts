/** Requests of every shape on every route: an answer in the shape of an answer or of an error, never a bug of ours. @module */
import fc from "fast-check";
import type { Json } from "@synth/core";
import { ROUTES } from "../../gateway/app.ts";
import { FULL_ORIGIN, startFullGateway } from "../support/full_gateway.ts";
import { isRecord } from "../support/response_shape.ts";
import { ImpatientClock } from "../support/test_gateway.ts";
import { fakeUpstream } from "./fake_upstream.ts";
import { loosely, nastyJson, nastyText } from "./nasty.ts";
import type { Target } from "./target.ts";

interface Input {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Json;
  /** Sent instead of the JSON of `body`. */
  readonly raw: string | null;
}

const NAMES = [
  "model",
  "input",
  "stream",
  "messages",
  "role",
  "content",
  "type",
  "text",
  "tools",
  "name",
  "function",
  "parameters",
  "arguments",
  "call_id",
  "id",
  "output",
  "instructions",
  "metadata",
  "limits",
  "limit_type",
  "metric_type",
  "limit_value",
  "window_seconds",
  "scopes",
  "expires_at",
  "session_type",
  "amounts",
  "tokens",
  "cost",
  "api_calls",
  "url",
  "reference_id",
  "increase_by",
  "previous_response_id",
  "tool_choice",
  "reasoning",
  "include",
  "store",
  "max_output_tokens",
  "grace_seconds",
  "requests_per_minute",
  "operation_id",
  "idle_timeout_seconds",
  "tool_outputs",
];
const words = nastyText as fc.Arbitrary<Json>;
const inputItem = loosely({
  type: fc.constantFrom<Json[]>(
    "message",
    "function_call",
    "function_call_output",
    "reasoning",
    "custom_tool_call",
    "custom_tool_call_output",
    "item_reference",
    "compaction",
    "mcp_call",
    "odd",
  ),
  role: fc.constantFrom<Json[]>("user", "assistant", "system", "developer", "tool"),
  content: fc.oneof(
    words,
    fc.array(
      loosely({
        type: fc.constantFrom<Json[]>(
          "input_text",
          "output_text",
          "input_image",
          "input_file",
          "refusal",
        ),
        text: words,
        image_url: words,
        file_data: words,
      }),
      { maxLength: 2 },
    ),
  ),
  call_id: words,
  name: words,
  arguments: words,
  output: words,
  summary: fc.constantFrom<Json[]>([], null, [{ type: "summary_text", text: "s" }]),
  encrypted_content: words,
});
const tool = loosely({
  type: fc.constantFrom<Json[]>("function", "custom", "web_search", "mcp", "namespace", "odd"),
  name: words,
  parameters: nastyJson(["type", "properties", "required", "$ref", "anyOf"]),
  strict: fc.boolean(),
});
const responses = loosely({
  model: fc.constantFrom<Json[]>("up-m", "rev-m", "synth-demo", "nobody"),
  input: fc.oneof(words, fc.array(inputItem, { maxLength: 4 })),
  stream: fc.boolean(),
  tools: fc.array(tool, { maxLength: 3 }),
  tool_choice: fc.oneof(words, loosely({ type: fc.constant("function"), name: words })),
  text: loosely({
    format: loosely({
      type: fc.constantFrom<Json[]>("json_schema", "json_object", "text"),
      name: words,
      schema: nastyJson(["type", "properties"]),
    }),
  }),
  reasoning: loosely({ effort: words, summary: words }),
  metadata: nastyJson(["a"], 1),
  max_output_tokens: fc.constantFrom<Json[]>(16, 1, 0, 1e9, -1),
  truncation: fc.constantFrom<Json[]>("auto", "disabled"),
  previous_response_id: words,
  store: fc.boolean(),
});
const chat = loosely({
  model: fc.constantFrom<Json[]>("up-m", "rev-m", "synth-demo"),
  messages: fc.array(
    loosely({
      role: fc.constantFrom<Json[]>("user", "assistant", "system", "tool"),
      content: words,
      tool_calls: fc.array(
        loosely({
          id: words,
          type: fc.constant("function"),
          function: loosely({ name: words, arguments: words }),
        }),
        { maxLength: 2 },
      ),
      tool_call_id: words,
    }),
    { maxLength: 4 },
  ),
  stream: fc.boolean(),
  n: fc.constantFrom<Json[]>(1, 2, 1e9),
  max_tokens: fc.constantFrom<Json[]>(16, 0, -1, 1e9),
  tools: fc.array(loosely({ type: fc.constant("function"), function: tool }), { maxLength: 2 }),
});
const limits = fc.array(
  loosely({
    limit_type: fc.constantFrom<Json[]>("hard", "soft"),
    metric_type: fc.constantFrom<Json[]>("tokens", "cost", "api_calls", "gpu_time"),
    limit_value: fc.constantFrom<Json[]>(0, 1, 1e15, 1e300, -1, 0.000000001, "5"),
    window_seconds: fc.constantFrom<Json[]>(1, 60, 1e12),
  }),
  { maxLength: 3 },
);
const management = loosely({
  limits,
  scopes: fc.array(fc.constantFrom<Json[]>("infer", "admin", "root", 7), { maxLength: 2 }),
  name: words,
  metadata: nastyJson(["a", "b"], 2),
  url: words,
  amounts: loosely({ tokens: fc.constantFrom<Json[]>(1, -1, 1e300), cost: words }),
  expires_at: words,
  make_active: fc.boolean(),
});
const anything = nastyJson(NAMES, 4);
const body = fc.oneof(
  { weight: 5, arbitrary: responses },
  { weight: 3, arbitrary: chat },
  { weight: 3, arbitrary: management },
  { weight: 2, arbitrary: anything },
);
const parameter = fc.oneof(
  fc.constantFrom(
    "up-m",
    "resp_0000",
    "sess_00000000000000000000000000",
    "lease_0",
    "key_0",
    "a",
    "%00",
    "..",
    "%2e%2e",
    "%E0%A4%A",
    "__proto__",
    "constructor",
  ),
  nastyText.map((text) => encodeURIComponent(text.toWellFormed())),
);
const header = fc.tuple(
  fc.constantFrom(
    "x-synth-session-id",
    "x-session-id",
    "x-no-session",
    "idempotency-key",
    "x-request-id",
    "content-type",
    "origin",
    "x-forwarded-for",
    "user-agent",
    "cookie",
    "content-encoding",
    "traceparent",
    "accept",
    "sec-fetch-site",
    "x-codex-turn-metadata",
    "session-id",
    "originator",
  ),
  nastyText.map(headerValue),
);

function headerValue(text: string): string {
  return Array.from(text, (unit) => {
    const code = unit.charCodeAt(0);
    return code < 32 || code > 255 || code === 127 ? "~" : unit;
  }).join("");
}

const inputs: fc.Arbitrary<Input> = fc.tuple(
  fc.constantFrom(...ROUTES),
  fc.array(parameter, { minLength: 3, maxLength: 3 }),
).chain(([route, values]) => {
  const left = [...values];
  const paths = route.paths.map((path) =>
    path.replace(/:trace\{[^/]+\}/, "trace_1").replace(
      /:\w+(?:\{[^/]*\})?/g,
      () => left.shift() || "x",
    )
  );
  return fc.record({
    method: fc.oneof(
      { weight: 20, arbitrary: fc.constant<string>(route.method) },
      { weight: 1, arbitrary: fc.constantFrom("GET", "POST", "PATCH", "OPTIONS", "HEAD") },
    ),
    path: fc.constantFrom(...paths),
    query: fc.oneof(
      fc.constant(""),
      nastyText.map((text) => `?limit=${encodeURIComponent(text.toWellFormed())}`),
      fc.constantFrom(
        "?limit=-1&offset=1e9",
        "?cursor=%00",
        "?after=x",
        "?status=__proto__",
        "?from=9e99",
        "?cid=trace_%00",
      ),
    ),
    headers: fc.array(header, { maxLength: 3 }),
    body,
    raw: fc.oneof(
      { weight: 12, arbitrary: fc.constant(null) },
      { weight: 1, arbitrary: nastyText as fc.Arbitrary<string | null> },
    ),
  });
});

/** Opens it. */
export async function openHttp(): Promise<Target<Input>> {
  const transport = fakeUpstream();
  transport.answer = {
    status: 200,
    contentType: "application/json",
    pieces: [
      new TextEncoder().encode('{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}'),
    ],
  };
  const it = await startFullGateway({ transport, clock: new ImpatientClock() });
  const { key } = await it.key("org-a");
  return {
    name: "http",
    inputs,
    close: async () => await it[Symbol.asyncDispose](),
    async check(input) {
      it.lines.length = 0;
      const request = requestOf(input, key);
      if (request === null) return;
      const answer = await it.gateway.fetch(request);
      const endless = input.path === "/dashboard/events" && answer.status === 200;
      const text = endless ? (await answer.body?.cancel(), "") : await answer.text();
      const faults: string[] = it.lines.filter((line) =>
        /internal_error|TypeError|RangeError|SyntaxError|not valid JSON/.test(line)
      );
      if (!/^[A-Za-z0-9._:-]{1,128}$/.test(answer.headers.get("x-request-id") ?? "")) {
        faults.push("no request id");
      }
      if (answer.status >= 500 && ![502, 503, 504, 501].includes(answer.status)) {
        faults.push(`status ${answer.status}`);
      }
      const isJson = answer.headers.get("content-type")?.startsWith("application/json") ?? false;
      if (answer.status >= 400 && isJson && input.method !== "HEAD" && !isError(text)) {
        faults.push(`no error: ${text}`);
      }
      if (faults.length > 0) throw new Error(faults.join("\n").slice(0, 3000));
    },
  };
}

function requestOf(input: Input, key: string): Request | null {
  const bare = input.method === "GET" || input.method === "HEAD";
  try {
    const headers = new Headers({ "content-type": "application/json" });
    for (const [name, value] of input.headers) headers.set(name, value);
    headers.set("authorization", `Bearer ${key}`);
    return new Request(FULL_ORIGIN + input.path + input.query, {
      method: input.method,
      headers,
      ...(bare ? {} : { body: input.raw ?? JSON.stringify(input.body) }),
    });
  } catch {
    // No client can send that.
    return null;
  }
}

function isError(text: string): boolean {
  const body: unknown = JSON.parse(text || "null");
  const error = isRecord(body) && isRecord(body.error) ? body.error : {};
  return typeof error.code === "string" && typeof error.message === "string";
}
