/**
 * Stands between a client and the gateway, passes everything on, and keeps what both said: how often a client asks, and every stream it got.
 *
 * @module
 */
import { checkEvents, parseSseText } from "./response_invariants.ts";

/** One exchange. */
export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
  readonly status: number;
  readonly answerHeaders: Headers;
  /** The whole answer; rejects when one of both sides went away. */
  readonly answer: Promise<string>;
}

/** A running tap. */
export interface Tap extends AsyncDisposable {
  readonly origin: string;
  readonly exchanges: Exchange[];
  /** Number of POSTs so far. */
  posts(): number;
  /** What is wrong with the streams that the client got. */
  problems(): Promise<string[]>;
}

/** Starts a tap in front of `origin`. */
export function startTap(origin: string): Tap {
  const exchanges: Exchange[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    const body = await request.text();
    const headers = new Headers(request.headers);
    for (const name of ["host", "connection", "content-length", "accept-encoding"]) {
      headers.delete(name);
    }
    const upstream = await fetch(origin + pathname + search, {
      method: request.method,
      headers,
      body: body === "" ? null : body,
      redirect: "manual",
      signal: request.signal,
    });
    const [mine, theirs] = upstream.body?.tee() ?? [null, null];
    const answer = new Response(mine).text();
    answer.catch(() => {}); // looked at in problems()
    exchanges.push({
      method: request.method,
      path: pathname,
      headers: request.headers,
      body,
      status: upstream.status,
      answerHeaders: upstream.headers,
      answer,
    });
    return new Response(theirs, { status: upstream.status, headers: upstream.headers });
  });
  return {
    origin: `http://127.0.0.1:${server.addr.port}`,
    exchanges,
    posts: () => exchanges.filter((exchange) => exchange.method === "POST").length,
    async problems(): Promise<string[]> {
      const problems: string[] = [];
      for (const [n, exchange] of exchanges.entries()) {
        const type = exchange.answerHeaders.get("content-type") ?? "";
        const isResponses = exchange.path.endsWith("/responses");
        if (!isResponses || !type.startsWith("text/event-stream")) continue;
        const text = await exchange.answer.catch(() => null);
        if (text === null) continue; // the client has hung up, as is its right
        problems.push(...check(text).map((problem) => `exchange ${n}: ${problem}`));
      }
      return problems;
    },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function check(text: string): string[] {
  try {
    return checkEvents(parseSseText(text));
  } catch (error) {
    return [String(error)];
  }
}
