/** Listens on a port: by binding it, so that nobody else can have it in between. @module */
import { type Clock, EXIT, type Logger, SynthError, systemClock } from "@synth/core";
import type { FetchHandler } from "./options.ts";
import { untilAborted, withinTime } from "./waits.ts";

/** How many ports are tried. */
const MAX_TRIES = 100;
const MAX_PORT = 65_535;
/** Milliseconds that answers to cut requests have to go out. */
const CUT_MS = 1000;

/** Where and what. */
export interface ListenOptions {
  readonly handler: FetchHandler;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Whether the next ports are tried when this one is in use. */
  readonly autoFindPort: boolean;
  readonly log: Logger;
}

/** A server that listens. */
export interface Listener {
  readonly port: number;
  /** Where this machine calls it. */
  readonly url: string;
  /** Refuses new connections; open requests have this many milliseconds, or until the signal. */
  stop(graceMs: number, clock: Pick<Clock, "after">, hurry?: AbortSignal): Promise<void>;
}

/** Listens on the port or, if that may be, on the next one that is free. @throws {SynthError} `port_in_use`, `no_free_port`, `cannot_listen` */
export function listen(options: ListenOptions): Listener {
  const { port, autoFindPort } = options;
  const last = autoFindPort && port !== 0 ? Math.min(port + MAX_TRIES - 1, MAX_PORT) : port;
  for (let candidate = port; candidate <= last; candidate++) {
    const listener = bind(options, candidate);
    if (listener !== null) return listener;
  }
  if (!autoFindPort) throw portInUse(options.host, port);
  throw new SynthError(`All ports from ${port} to ${last} are in use`, {
    code: "no_free_port",
    status: 503,
    exitCode: EXIT.unavailable,
    hint: "Choose another port; 0 takes any that is free",
  });
}

/** What is said of a port that someone has. */
export function portInUse(host: string, port: number): SynthError {
  return new SynthError(`Cannot listen on ${host}, port ${port}: it is in use`, {
    code: "port_in_use",
    status: 503,
    exitCode: EXIT.unavailable,
    hint: "Choose another port, 0 for any, or stop the process that has it; synth stops none",
  });
}

/** @returns `null` when someone has the port */
function bind({ handler, host, log }: ListenOptions, port: number): Listener | null {
  // `localhost` can be ::1, where someone else may listen on the same port.
  const hostname = host === "localhost" ? "127.0.0.1" : host;
  const cut = new AbortController();
  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = Deno.serve({
      hostname,
      port,
      onListen() {},
      onError: (error) => answerFault(error, log),
    }, (request) => untilAborted(call(handler, request), cut.signal));
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return null;
    const why = error instanceof Error ? error.message : String(error);
    throw new SynthError(`Cannot listen on ${host}, port ${port}: ${why}`, {
      code: "cannot_listen",
      status: 503,
      exitCode: EXIT.unavailable,
      cause: error,
    });
  }
  const address = hostname === "0.0.0.0" ? "127.0.0.1" : hostname;
  return {
    port: server.addr.port,
    url: `http://${address}:${server.addr.port}`,
    async stop(graceMs, clock, hurry) {
      const shutdown = server.shutdown();
      try {
        await withinTime(shutdown, graceMs, clock, hurry);
      } catch {
        // Requests that are not answered yet are answered now. A body that does not end is not waited for.
        cut.abort(stopping());
        await withinTime(shutdown, CUT_MS, systemClock).catch(() => {});
      }
    },
  };
}

async function call(handler: FetchHandler, request: Request): Promise<Response> {
  return await handler(request);
}

function stopping(): SynthError {
  return new SynthError("The task app stops", {
    code: "task_app_stopping",
    status: 503,
    headers: { "retry-after": "5" },
  });
}

/** What a handler threw is ours to log and nobody else's to read. */
function answerFault(error: unknown, log: Logger): Response {
  if (error instanceof SynthError) return error.toResponse();
  log.error("the task app failed on a request", { error });
  return new SynthError("The task app failed", { code: "internal_error" }).toResponse();
}
