/** Speaks Chat Completions for the built-in model, in process: its answers go through the whole bridge. @module */
import type { ChatRequest } from "../../bridge/chat.ts";
import type {
  ByteSource,
  TransportReply,
  TransportRequest,
  UpstreamTransport,
} from "../transport.ts";
import { type DemoAnswer, demoAnswer } from "./demo_model.ts";

const PIECE_LENGTH = 12;

/** The transport. It opens no connection; its only upstream is `synth-demo`. */
export function demoTransport(): UpstreamTransport {
  return {
    send: (request) => Promise.resolve(reply(request)),
    close: () => Promise.resolve(),
  };
}

function reply(request: TransportRequest): TransportReply {
  const chat = JSON.parse(request.body ?? "{}") as ChatRequest;
  const answer = new Answer(chat);
  const type = chat.stream ? "text/event-stream" : "application/json";
  return {
    status: 200,
    headers: new Map([["content-type", type]]),
    body: sourceOf(chat.stream ? answer.events() : [answer.completion()]),
  };
}

function sourceOf(pieces: Iterable<string>): ByteSource {
  const iterator = pieces[Symbol.iterator]();
  const encoder = new TextEncoder();
  let stopped = false;
  return {
    read() {
      const next = iterator.next();
      return Promise.resolve(stopped || next.done ? null : encoder.encode(next.value));
    },
    cancel() {
      stopped = true;
    },
  };
}

/** One answer, cut into pieces that count as a token each, so that `max_tokens` can be honoured. */
class Answer {
  readonly #chat: ChatRequest;
  readonly #answer: DemoAnswer;
  readonly #deltas: object[] = [];
  readonly #finish: "stop" | "tool_calls" | "length";

  constructor(chat: ChatRequest) {
    this.#chat = chat;
    this.#answer = demoAnswer(chat);
    const limit = chat.max_completion_tokens ?? chat.max_tokens ?? Infinity;
    const wanted = this.#allDeltas();
    this.#deltas = wanted.slice(0, limit);
    if (wanted.length > limit) this.#finish = "length";
    else this.#finish = this.#answer.calls.length > 0 ? "tool_calls" : "stop";
  }

  *events(): Generator<string> {
    yield this.#event({ delta: { role: "assistant", content: "" }, finish_reason: null });
    for (const delta of this.#deltas) yield this.#event({ delta, finish_reason: null });
    yield this.#event({ delta: {}, finish_reason: this.#finish });
    if (this.#chat.stream_options?.include_usage === true) {
      yield `data: ${JSON.stringify({ ...this.#head(), choices: [], usage: this.#usage() })}\n\n`;
    }
    yield "data: [DONE]\n\n";
  }

  completion(): string {
    const message = {
      role: "assistant",
      content: this.#answer.text === null ? null : this.#text(),
      ...(this.#answer.calls.length === 0 ? {} : {
        tool_calls: this.#answer.calls.map(({ id, name, arguments: args }) => ({
          id,
          type: "function",
          function: { name, arguments: args },
        })),
      }),
    };
    return JSON.stringify({
      ...this.#head(),
      object: "chat.completion",
      choices: [{ index: 0, message, finish_reason: this.#finish }],
      usage: this.#usage(),
    });
  }

  #allDeltas(): object[] {
    const deltas: object[] = pieces(this.#answer.text ?? "").map((content) => ({ content }));
    this.#answer.calls.forEach((call, index) => {
      const { id, name } = call;
      const start = { id, type: "function", function: { name, arguments: "" } };
      deltas.push({ tool_calls: [{ index, ...start }] });
      for (const part of pieces(call.arguments)) {
        deltas.push({ tool_calls: [{ index, function: { arguments: part } }] });
      }
    });
    return deltas;
  }

  #text(): string {
    return this.#deltas.map((delta) => "content" in delta ? delta.content : "").join("");
  }

  #event(choice: { delta: object; finish_reason: string | null }): string {
    return `data: ${JSON.stringify({ ...this.#head(), choices: [{ index: 0, ...choice }] })}\n\n`;
  }

  #head(): { id: string; object: string; created: number; model: string } {
    return {
      id: "chatcmpl-demo",
      object: "chat.completion.chunk",
      created: 0,
      model: "synth-demo",
    };
  }

  #usage(): object {
    const prompt = Math.ceil(JSON.stringify(this.#chat.messages).length / 4);
    const completion = this.#deltas.length;
    return {
      prompt_tokens: prompt,
      completion_tokens: completion,
      total_tokens: prompt + completion,
    };
  }
}

/** Cuts at code points, so that no piece ends inside a surrogate pair. */
function pieces(text: string): string[] {
  const points = [...text];
  const cut: string[] = [];
  for (let at = 0; at < points.length; at += PIECE_LENGTH) {
    cut.push(points.slice(at, at + PIECE_LENGTH).join(""));
  }
  return cut;
}
