/** Stands for Cloudflare's edge: names under a certificate, tunnels that connect to it, an access proxy. @module */
import { request as httpsRequest } from "node:https";
import { EDGE_CA, EDGE_CERT, EDGE_KEY } from "./edge_certificate.ts";

/** Where a name leads. */
interface Route {
  readonly origin: string;
  readonly access: EdgeTunnel["access"];
  readonly disconnect: () => void;
  readonly push: () => void;
}

/** A managed tunnel that the edge knows by its token. */
export interface EdgeTunnel {
  readonly hostname: string;
  readonly origin: string;
  /** Its access proxy lets only this pass. */
  readonly access?: { readonly id: string; readonly secret: string };
}

/** A request that arrived for a public name. */
export interface EdgeRequest {
  readonly hostname: string;
  readonly path: string;
  readonly headers: Headers;
}

/**
 * The edge on loopback. Its TLS is real: who wants through has to trust its authority and ask for the right name, by {@linkcode EdgeDouble.fetch}
 * here, or by `DENO_CERT` and the proxy in a process of its own.
 */
export class EdgeDouble implements AsyncDisposable {
  readonly managed: Map<string, EdgeTunnel> = new Map();
  /** Knows the tokens that are not in {@linkcode EdgeDouble.managed}. */
  lookup: (token: string) => EdgeTunnel | undefined = () => undefined;
  readonly requests: EdgeRequest[] = [];
  /** Answers this many requests as if the name were not known yet. */
  unknownFor = 0;
  /** What the edge answers instead of the app. */
  answer: (() => Response) | null = null;
  readonly #routes = new Map<string, Route>();
  readonly #tls: Deno.HttpServer<Deno.NetAddr>;
  readonly #control: Deno.HttpServer<Deno.NetAddr>;
  readonly #proxy: Deno.Listener;
  readonly #piping = new Set<Promise<void>>();
  readonly #connections = new Set<Deno.Conn>();

  constructor() {
    const on = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
    this.#tls = Deno.serve({ ...on, cert: EDGE_CERT, key: EDGE_KEY }, (got) => this.#serve(got));
    this.#control = Deno.serve(on, (got) => this.#connect(got));
    this.#proxy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#piping.add(this.#accept());
  }

  /** Where tunnels connect. */
  get control(): string {
    return `http://127.0.0.1:${this.#control.addr.port}`;
  }

  /** Names that are connected. */
  get connected(): string[] {
    return [...this.#routes.keys()];
  }

  /** What a process needs to reach public names through this edge, with certificates checked. */
  environment(directory: string): Record<string, string> {
    const path = `${directory}/edge-ca.pem`;
    Deno.writeTextFileSync(path, EDGE_CA);
    const proxy = `http://127.0.0.1:${(this.#proxy.addr as Deno.NetAddr).port}`;
    return { DENO_CERT: path, HTTPS_PROXY: proxy, NO_PROXY: "127.0.0.1,localhost" };
  }

  /** Asks public names at this edge, others as ever. A certificate that does not fit the name is an error. */
  readonly fetch: typeof globalThis.fetch = (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    if (url.protocol !== "https:") return globalThis.fetch(input, init);
    return askTls(url, this.#tls.addr.port, init);
  };

  /** Tells a tunnel's program that it has to go. */
  push(hostname: string): void {
    this.#routes.get(hostname)?.push();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { disconnect } of this.#routes.values()) disconnect();
    this.#proxy.close();
    for (const connection of this.#connections) {
      try {
        connection.close();
      } catch {
        // It has ended.
      }
    }
    await Promise.all([this.#tls.shutdown(), this.#control.shutdown(), ...this.#piping]);
  }

  async #serve(request: Request): Promise<Response> {
    const { hostname, pathname, search } = new URL(request.url);
    this.requests.push({ hostname, path: pathname, headers: request.headers });
    const route = this.#routes.get(hostname);
    if (route === undefined || this.unknownFor-- > 0) {
      return new Response("<html>error 1033</html>", {
        status: 530,
        headers: { "content-type": "text/html" },
      });
    }
    if (this.answer !== null) return this.answer();
    const { access } = route;
    if (
      access !== undefined && (request.headers.get("cf-access-client-id") !== access.id ||
        request.headers.get("cf-access-client-secret") !== access.secret)
    ) return new Response("<html>Forbidden</html>", { status: 403 });
    try {
      const answer = await fetch(route.origin + pathname + search, { headers: request.headers });
      return new Response(await answer.bytes(), { status: answer.status });
    } catch {
      return new Response("<html>Bad gateway</html>", { status: 502 });
    }
  }

  async #connect(request: Request): Promise<Response> {
    const { hostname: name, origin: to, token } = await request.json();
    const managed = token === undefined ? undefined : this.managed.get(token) ?? this.lookup(token);
    if (token !== undefined && managed === undefined) return new Response(null, { status: 401 });
    const hostname = managed?.hostname ?? name;
    let disconnect = () => {};
    let push = () => {};
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        disconnect = () => {
          try {
            controller.close();
          } catch {
            // It has gone.
          }
        };
        push = () => controller.enqueue(new TextEncoder().encode("go\n"));
      },
      cancel: () => {
        this.#routes.delete(hostname);
      },
    });
    const origin = managed?.origin ?? to;
    this.#routes.set(hostname, { origin, access: managed?.access, disconnect, push });
    return new Response(body);
  }

  /** A proxy that knows one place: this edge. */
  async #accept(): Promise<void> {
    for await (const client of this.#proxy) this.#piping.add(this.#tunnel(client));
  }

  async #tunnel(client: Deno.Conn): Promise<void> {
    this.#connections.add(client);
    try {
      const buffer = new Uint8Array(4096);
      const read = await client.read(buffer) ?? 0;
      const head = new TextDecoder().decode(buffer.subarray(0, read));
      if (!head.startsWith("CONNECT ")) return client.close();
      const edge = await Deno.connect({ hostname: "127.0.0.1", port: this.#tls.addr.port });
      this.#connections.add(edge);
      await client.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\n"));
      await Promise.allSettled([
        client.readable.pipeTo(edge.writable),
        edge.readable.pipeTo(client.writable),
      ]);
    } catch {
      // One of the two has gone.
    }
  }
}

function askTls(url: URL, port: number, init: RequestInit | undefined): Promise<Response> {
  return new Promise((resolve, reject) => {
    const headers = Object.fromEntries(new Headers(init?.headers));
    const asked = httpsRequest({
      host: "127.0.0.1",
      port,
      servername: url.hostname,
      ca: EDGE_CA,
      agent: false,
      method: init?.method ?? "GET",
      path: url.pathname + url.search,
      headers: { ...headers, host: url.hostname, connection: "close" },
    }, (answer) => {
      const chunks: Uint8Array[] = [];
      answer.on("data", (chunk: Uint8Array) => chunks.push(chunk));
      answer.on("error", reject);
      answer.on("end", () => {
        const body = new Blob(chunks.map((chunk) => new Uint8Array(chunk)));
        resolve(new Response(body, { status: answer.statusCode ?? 500 }));
      });
    });
    asked.on("error", reject);
    const signal = init?.signal;
    const onAbort = () => asked.destroy(signal?.reason);
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    asked.on("close", () => signal?.removeEventListener("abort", onAbort));
    asked.end();
  });
}
