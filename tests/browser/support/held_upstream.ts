/** A model server whose one stream waits until the test lets it go on. @module */

/** The server. Disposing ends it. */
export interface HeldUpstream extends AsyncDisposable {
  /** Ends in `/v1`. */
  readonly baseUrl: string;
  /** Lets every stream come to its end. */
  release(): void;
}

/** Starts one on a free port of 127.0.0.1. It begins to answer at once, and ends when it is released. */
export function startHeldUpstream(): HeldUpstream {
  const held = Promise.withResolvers<void>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () =>
    new Response(
      ReadableStream.from((async function* () {
        yield chunk({ delta: { role: "assistant", content: "Hel" } });
        await held.promise;
        yield chunk({ delta: { content: "lo" }, finish_reason: "stop" });
        yield "data: [DONE]\n\n";
      })()).pipeThrough(new TextEncoderStream()),
      { headers: { "content-type": "text/event-stream" } },
    ));
  return {
    baseUrl: `http://127.0.0.1:${server.addr.port}/v1`,
    release: () => held.resolve(),
    async [Symbol.asyncDispose]() {
      held.resolve();
      await server.shutdown();
    },
  };
}

function chunk(choice: Record<string, unknown>): string {
  const data = {
    id: "chatcmpl-1",
    object: "chat.completion.chunk",
    created: 1_750_000_000,
    model: "held-model",
    choices: [{ index: 0, finish_reason: null, ...choice }],
    usage: null,
  };
  return `data: ${JSON.stringify(data)}\n\n`;
}
