/** The gateway as a Worker: configuration and keys come from its environment. @module */
import type { FetchInfo, Gateway } from "../options.ts";

export { fetchTransport } from "../upstreams/fetch_transport.ts";

/** What a Worker is given beside the request. */
export interface WorkerContext {
  waitUntil(promise: Promise<unknown>): void;
}

/** A Worker's default export. */
export interface WorkerHandler<Env> {
  fetch(request: Request, env: Env, context: WorkerContext): Promise<Response>;
}

/** Makes the handler. The gateway is opened by the first request of an isolate; an attempt that failed is made again by the next. */
export function workerHandler<Env>(open: (env: Env) => Promise<Gateway>): WorkerHandler<Env> {
  let opened: Promise<Gateway> | null = null;
  return {
    async fetch(request, env, context) {
      opened ??= open(env);
      const info: FetchInfo = { waitUntil: (promise) => context.waitUntil(promise) };
      try {
        return await (await opened).fetch(request, info);
      } catch (error) {
        opened = null;
        throw error;
      }
    },
  };
}
