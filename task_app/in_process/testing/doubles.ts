/** What the tests serve, and the tunnels that they open. @module */
import { createLogger, type Logger } from "@synth/core";
import type { TaskAppConfig } from "../../contract/task_app_config.ts";
import type {
  FixedAddress,
  OpenTunnel,
  TunnelExit,
  TunnelOpener,
  TunnelRequest,
} from "../../tunnels/port.ts";

/** The key of the tests. */
export const KEY = "key-of-the-tests";

/** A handler that answers every path, to the key alone. */
export function keyed(request: Request): Response {
  if (request.headers.get("x-api-key") !== KEY) return new Response("no", { status: 401 });
  return Response.json({ healthy: true, path: new URL(request.url).pathname });
}

/** A small configuration. */
export function echoConfig(more: Partial<TaskAppConfig> = {}): TaskAppConfig {
  const task = { task: { id: "echo", name: "Echo" }, environment: "echo" };
  return {
    appId: "echo",
    name: "Echo",
    description: "Gives 1",
    baseTaskInfo: task,
    describeTaskset: () => ({ size: 1 }),
    provideTaskInstances: (seeds) => seeds.map(() => task),
    rollout: (request) => ({
      run_id: request.run_id,
      metrics: { episode_returns: [1], mean_return: 1, num_steps: 1 },
    }),
    ...more,
  };
}

/** Tunnels at the port: they lead nowhere, and tell what became of them. */
export class TunnelDouble implements TunnelOpener {
  readonly requests: TunnelRequest[] = [];
  readonly exits: PromiseWithResolvers<TunnelExit>[] = [];
  closed = 0;
  fixed: FixedAddress | null = null;
  /** What `open` does first. */
  before: (request: TunnelRequest) => void | Promise<void> = () => {};

  fixedAddress(): Promise<FixedAddress | null> {
    return Promise.resolve(this.fixed);
  }

  async open(request: TunnelRequest): Promise<OpenTunnel> {
    this.requests.push(request);
    await this.before(request);
    const exit = Promise.withResolvers<TunnelExit>();
    this.exits.push(exit);
    let open = true;
    const close = () => {
      if (open) this.closed++;
      open = false;
      exit.resolve({ code: 0, reason: "closed" });
      return Promise.resolve();
    };
    return {
      url: "https://a-b-c.trycloudflare.com",
      hostname: "a-b-c.trycloudflare.com",
      mode: request.mode,
      recordId: null,
      accessHeaders: () => ({ "CF-Access-Client-Id": "id" }),
      exited: exit.promise,
      close,
      [Symbol.asyncDispose]: close,
    };
  }
}

/** A log that is kept. */
export function keptLog(): { log: Logger; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  return { log: createLogger({ write: (line) => lines.push(JSON.parse(line)) }), lines };
}

/** Whether something listens. */
export async function listens(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}
