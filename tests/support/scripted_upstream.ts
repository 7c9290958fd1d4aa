/**
 * A model server that speaks Chat Completions over real HTTP and does what the test says, well-behaved or not.
 *
 * What a request is answered with is chosen in this order: the next of {@linkcode ScriptedUpstream.enqueue}, the test's function, the case named by the model
 * (`mock-<case>`, see scripted_cases.ts), `mock-auto` (mock_auto.ts); any other model is a 404. Every request is recorded, and a history
 * that breaks the rules of Chat Completions fails the test when the server is disposed.
 *
 * ```ts
 * await using upstream = await startUpstream();
 * upstream.enqueue(stream(text("Hel"), text("lo"), finish("stop"), usage(11, 7)));
 * // ... point the gateway at upstream.baseUrl ...
 * assertEquals(upstream.requests.length, 1);
 * ```
 *
 * @module
 */
import { mockAuto } from "./mock_auto.ts";
import { type RawReply, serveRaw } from "./raw_http.ts";
import { isRecord, type Rec } from "./response_shape.ts";
import { scriptedReply } from "./scripted_cases.ts";
import { checkRequest } from "./chat_request_rules.ts";

export { type RawReply, type Step } from "./raw_http.ts";

/** A request that the upstream got. */
export interface RecordedRequest {
  readonly path: string;
  readonly headers: Headers;
  readonly body: Rec;
  /** Settles when the gateway has closed the connection, or the answer is complete. */
  readonly closed: Promise<void>;
}

/** An answer, or what makes one from the request. */
export type Reply = RawReply | ((request: RecordedRequest) => RawReply);

/** A running scripted upstream. Disposing throws when a request broke the protocol. */
export interface ScriptedUpstream extends AsyncDisposable {
  /** Ends in `/v1`; the gateway's `base_url`. */
  readonly baseUrl: string;
  /** Everything that came in, in order. */
  readonly requests: RecordedRequest[];
  /** What was wrong with the requests; disposing throws unless it is empty. Clear it when the test is about bad requests. */
  readonly problems: string[];
  /** Answers the next requests, in this order, whatever their model. */
  enqueue(...replies: Reply[]): void;
  /** The n-th request (from 0), as soon as it is there. */
  request(n: number): Promise<RecordedRequest>;
}

const MODELS = {
  object: "list",
  data: [{ id: "mock-auto", object: "model", created: 1_750_000_000, owned_by: "scripted" }],
};

/** How a scripted upstream is made. */
export interface UpstreamOptions {
  /** Asked for each request that the queue does not answer; `undefined` leaves it to the model's name. */
  readonly reply?: (request: RecordedRequest, n: number) => RawReply | undefined;
}

/** Starts a scripted upstream on a free port of 127.0.0.1. */
export async function startUpstream(options: UpstreamOptions = {}): Promise<ScriptedUpstream> {
  const requests: RecordedRequest[] = [];
  const problems: string[] = [];
  const queue: Reply[] = [];
  const waiting: { n: number; resolve: (request: RecordedRequest) => void }[] = [];
  const server = await serveRaw((raw) => {
    if (raw.method === "GET" && raw.path === "/v1/models") return jsonReply(200, MODELS);
    const n = requests.length;
    const say = (problem: string) => problems.push(`request ${n}: ${problem}`);
    const body = parse(raw.body);
    if (body === null) say("the body is not a JSON object");
    if (raw.method !== "POST" || raw.path !== "/v1/chat/completions") {
      problems.push(`${raw.method} ${raw.path} is not POST /v1/chat/completions`);
      return jsonReply(404, { error: { message: "no such path", type: "invalid_request_error" } });
    }
    if (!(raw.headers.get("content-type") ?? "").startsWith("application/json")) {
      say("content-type is not application/json");
    }
    const request = { path: raw.path, headers: raw.headers, body: body ?? {}, closed: raw.closed };
    checkRequest(request.body).forEach(say);
    requests.push(request);
    for (const waiter of waiting) if (waiter.n === n) waiter.resolve(request);
    const next = queue.shift();
    if (next !== undefined) return typeof next === "function" ? next(request) : next;
    return options.reply?.(request, n) ?? byModel(request.body);
  });
  return {
    baseUrl: `http://127.0.0.1:${server.port}/v1`,
    requests,
    problems,
    enqueue: (...replies) => void queue.push(...replies),
    request(n) {
      const there = requests[n];
      if (there !== undefined) return Promise.resolve(there);
      return new Promise((resolve) => waiting.push({ n, resolve }));
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await server[Symbol.asyncDispose]();
      if (problems.length > 0) {
        throw new Error(`the upstream got bad requests:\n${problems.join("\n")}`);
      }
    },
  };
}

function byModel(body: Rec): RawReply {
  const model = String(body.model);
  if (body.model === undefined || !Array.isArray(body.messages) || body.messages.length === 0) {
    return jsonReply(400, {
      error: { message: "model and messages are required", type: "invalid_request_error" },
    });
  }
  if (model === "mock-auto") return mockAuto(body);
  const reply = model.startsWith("mock-") ? scriptedReply(model.slice(5), body) : undefined;
  return reply ?? jsonReply(404, {
    error: { message: `no script for the model ${model}`, type: "invalid_request_error" },
  });
}

function jsonReply(status: number, body: unknown): RawReply {
  return {
    status,
    headers: { "content-type": "application/json" },
    steps: [JSON.stringify(body)],
  };
}

function parse(text: string): Rec | null {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}
