/** What runs beside a user's file, in a process of its own. @module */

/** Sent to the child, a line of JSON each; the end of its standard input is a wish to stop. */
export type ToChild =
  | {
    readonly do: "load";
    /** The file, as a URL. */
    readonly file: string;
    /** Where the toolkit may be found, best first. */
    readonly toolkits: readonly string[];
    /** Stands before each answer. */
    readonly mark: string;
  }
  | {
    readonly do: "listen";
    readonly host: string;
    readonly port: number;
    /** How many ports are tried. */
    readonly tries: number;
    /** Milliseconds that the port may still be in use by the app's predecessor. */
    readonly patienceMs: number;
  }
  | { readonly do: "stop" };

/** The argument of a child that nobody talks to, as JSON: it loads, listens, and stops on SIGTERM. */
export interface DetachedJob {
  readonly file: string;
  readonly toolkits: readonly string[];
  readonly mark: string;
  readonly host: string;
  readonly port: number;
  readonly tries: number;
  /** What it has to read from its standard input before it loads anything; absent: nothing. */
  readonly release?: string;
}

/** Sent by the child. */
export type FromChild =
  | { readonly did: "load"; readonly appId: string | null }
  | { readonly did: "listen"; readonly port: number }
  | {
    readonly did: "fail";
    readonly code: string;
    readonly message: string;
    readonly hint: string | null;
    readonly exitCode: number;
  };

/**
 * The child's program. Its text is written to a file and run there, with the configuration of the user's file: it can refer to nothing outside of itself.
 */
export async function serveChild(): Promise<void> {
  type Source = {
    handler(request: Request): Response | Promise<Response>;
    appId: string | null;
    started(): Promise<void>;
    stop(): Promise<void>;
  };
  let mark = "";
  let source: Source | null = null;
  let server: Deno.HttpServer<Deno.NetAddr> | null = null;

  const tell = (message: object): void => {
    const bytes = new TextEncoder().encode(`${mark}${JSON.stringify(message)}\n`);
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
  };

  const fail = (error: unknown, code: string, hint: string | null): void => {
    const known = typeof error === "object" && error !== null ? error : {};
    const text = (name: string): string | undefined => {
      const value: unknown = Reflect.get(known, name);
      return typeof value === "string" ? value : undefined;
    };
    const exitCode: unknown = Reflect.get(known, "exitCode");
    const cause: unknown = Reflect.get(known, "cause");
    // An error of ours says it all; one of the user's file needs its place.
    const where = cause ?? (text("code") === undefined ? error : null);
    // deno-lint-ignore no-console
    if (where instanceof Error && where.stack) console.error(where.stack);
    tell({
      did: "fail",
      // Deno's and Node's own codes (EACCES, ERR_...) are none of ours.
      code: /^[a-z][a-z0-9_]{0,63}$/.test(text("code") ?? "") ? text("code") : code,
      message: text("message") ?? String(error),
      hint: text("hint") ?? hint,
      exitCode: typeof exitCode === "number" ? exitCode : 1,
    });
  };

  const load = async (file: string, toolkits: readonly string[]): Promise<Source> => {
    for (const specifier of toolkits) {
      let toolkit: { loadSource(file: URL): Promise<Source> };
      try {
        toolkit = await import(specifier);
      } catch {
        continue;
      }
      return await toolkit.loadSource(new URL(file));
    }
    // Without the toolkit there is no server for a configuration; an app brings its own.
    const exports: Record<string, unknown> = await import(file);
    for (const name of ["default", "app", "taskApp"]) {
      const value = exports[name];
      const fetch: unknown = typeof value === "object" && value !== null
        ? Reflect.get(value, "fetch")
        : value;
      if (typeof fetch !== "function") continue;
      return {
        handler: (request) => Reflect.apply(fetch, value, [request]),
        appId: null,
        started: () => Promise.resolve(),
        stop: () => Promise.resolve(),
      };
    }
    throw new Error(
      'The file exports no app with fetch, and its deno.json has no "@synth/task-app" to serve anything else',
    );
  };

  const listen = async (job: Extract<ToChild, { do: "listen" }>): Promise<void> => {
    const hostname = job.host === "localhost" ? "127.0.0.1" : job.host;
    const end = performance.now() + job.patienceMs;
    await source?.started();
    for (let tried = 0;;) {
      try {
        const port = job.port === 0 ? 0 : job.port + tried;
        server = Deno.serve(
          { hostname, port, onListen() {} },
          (request) => source?.handler(request) ?? new Response(null, { status: 503 }),
        );
        return tell({ did: "listen", port: server.addr.port });
      } catch (error) {
        if (!(error instanceof Deno.errors.AddrInUse)) {
          return fail(error, "cannot_listen", "Check --host and --port, and --allow net");
        }
        if (performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 10));
        else if (++tried >= job.tries || job.port + tried > 65_535) {
          const message = `Cannot listen on ${job.host}, port ${job.port}: it is in use`;
          const hint = "Choose another with --port, 0 for any";
          return fail({ message, exitCode: 69 }, "port_in_use", hint);
        }
      }
    }
  };

  const stop = async (): Promise<never> => {
    try {
      const closed = server?.shutdown();
      // Requests may finish; what runs longer is then told to end.
      await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 5000))]);
      await source?.stop();
      Deno.exit(0);
    } catch (error) {
      // deno-lint-ignore no-console
      console.error(error);
      Deno.exit(1);
    }
  };

  // On a terminal Ctrl-C goes to every process of the group: who started us says when to stop.
  Deno.addSignalListener("SIGINT", () => {});
  const obey = async (job: ToChild): Promise<void> => {
    if (job.do === "stop") return await stop();
    if (job.do === "listen") return await listen(job).catch((error) => fail(error, "failed", null));
    mark = job.mark;
    try {
      source = await load(job.file, job.toolkits);
      tell({ did: "load", appId: source.appId });
    } catch (error) {
      fail(error, "task_app_import_failed", null);
    }
  };
  const [argument] = Deno.args;
  if (argument !== undefined) {
    const job: DetachedJob = JSON.parse(argument);
    Deno.addSignalListener("SIGTERM", () => void stop());
    if (job.release !== undefined) {
      const said = await new Response(Deno.stdin.readable).text();
      // Who started us has ended before anybody could know of us.
      if (said !== job.release) Deno.exit(1);
    }
    await obey({ do: "load", file: job.file, toolkits: job.toolkits, mark: job.mark });
    if (source !== null) await obey({ do: "listen", patienceMs: 0, ...job });
    if (server === null) Deno.exit(1);
    return;
  }
  let text = "";
  for await (const piece of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (text + piece).split("\n");
    text = lines.pop() ?? "";
    // Not waited for: a file that never loads must not keep us from hearing that we shall stop.
    for (const line of lines) void obey(JSON.parse(line));
  }
  await stop();
}
