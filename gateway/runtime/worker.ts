/** The gateway as a Worker: configuration and keys come from its environment. @module */
import { newId, SynthError } from "@synth/core";
import { secure } from "../http/security_headers.ts";
import type { FetchInfo, Gateway } from "../options.ts";
import { upgradeInWorker } from "./worker_web_socket.ts";

export { type EdgeOptions, openEdgeGateway } from "./edge.ts";
export { fetchTransport } from "../upstreams/fetch_transport.ts";

/** What a Worker is given beside the request. */
export interface WorkerContext {
  waitUntil(promise: Promise<unknown>): void;
}

/** A Worker's default export. */
export interface WorkerHandler<Env> {
  fetch(request: Request, env: Env, context: WorkerContext): Promise<Response>;
}

/**
 * Makes the handler. The gateway is opened by the first request of an isolate; what keeps it from opening is the answer to all of them,
 * since an isolate's environment does not change.
 */
export function workerHandler<Env>(open: (env: Env) => Promise<Gateway>): WorkerHandler<Env> {
  let opened: Promise<Gateway> | null = null;
  return {
    async fetch(request, env, context) {
      opened ??= open(env);
      const info: FetchInfo = {
        waitUntil: (promise) => context.waitUntil(promise),
        clientGone: request.signal,
        upgrade: upgradeInWorker,
      };
      let gateway: Gateway;
      try {
        gateway = await opened;
      } catch (error) {
        return notStarted(error);
      }
      return await gateway.fetch(request, info);
    },
  };
}

/** The answer of a gateway that could not be opened. */
export function notStarted(error: unknown): Response {
  const known = error instanceof SynthError
    ? error
    : new SynthError("The gateway cannot start", { code: "internal_error", status: 503 });
  const answer = known.toResponse(newId("req_"));
  secure(answer);
  return answer;
}
