/** A model server that speaks the Responses API over real HTTP and does what the test says. @module */
import { type RawReply, serveRaw } from "./raw_http.ts";
import { isRecord, type Rec } from "./response_shape.ts";

/** A request that the upstream got. */
export interface ResponsesUpstreamRequest {
  readonly headers: Headers;
  readonly body: Rec;
  /** Settles when the gateway has closed the connection, or the answer is complete. */
  readonly closed: Promise<void>;
}

/** A running upstream. Disposing throws when a request was no Responses request. */
export interface ResponsesUpstream extends AsyncDisposable {
  /** Ends in `/v1`. */
  readonly baseUrl: string;
  readonly requests: ResponsesUpstreamRequest[];
}

/** Items that the Responses API takes from a client of ours. */
const ITEMS = [
  "message",
  "function_call",
  "function_call_output",
  "custom_tool_call",
  "custom_tool_call_output",
  "reasoning",
  "compaction",
  "compaction_trigger",
];

/** Starts one on a free port of 127.0.0.1. */
export async function startResponsesUpstream(
  reply: (request: ResponsesUpstreamRequest, n: number) => RawReply,
): Promise<ResponsesUpstream> {
  const requests: ResponsesUpstreamRequest[] = [];
  const problems: string[] = [];
  const server = await serveRaw((raw) => {
    const body: unknown = JSON.parse(raw.body || "null");
    const request = { headers: raw.headers, body: isRecord(body) ? body : {}, closed: raw.closed };
    const n = requests.push(request) - 1;
    if (raw.method !== "POST" || raw.path !== "/v1/responses") {
      problems.push(`request ${n}: ${raw.method} ${raw.path}`);
    }
    problems.push(...faults(request.body).map((fault) => `request ${n}: ${fault}`));
    return reply(request, n);
  });
  return {
    baseUrl: `http://127.0.0.1:${server.port}/v1`,
    requests,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      if (problems.length > 0) throw new Error(`bad requests:\n${problems.join("\n")}`);
    },
  };
}

/** What the Responses API would refuse. */
function faults(body: Rec): string[] {
  const said: string[] = [];
  for (const field of ["messages", "max_tokens", "max_completion_tokens", "stream_options", "n"]) {
    if (field in body) said.push(`${field} is no field of the Responses API`);
  }
  if (typeof body.max_output_tokens === "number" && body.max_output_tokens < 16) {
    said.push("max_output_tokens is below 16");
  }
  if (typeof body.input === "string") return said;
  if (!Array.isArray(body.input)) return [...said, "input is missing"];
  const open = new Set<unknown>();
  for (const item of body.input) {
    if (!isRecord(item)) said.push("an item that is no object");
    else {
      const type = String(item.type ?? "message");
      if (!ITEMS.includes(type)) said.push(`unknown item ${type}`);
      if (type === "function_call" || type === "custom_tool_call") {
        open.add(`${type} ${item.call_id}`);
      }
      const call = type.endsWith("_output") ? type.slice(0, -7) : null;
      if (call !== null && !open.has(`${call} ${item.call_id}`)) {
        said.push(`an output without its call: ${item.call_id}`);
      }
    }
  }
  return said;
}
