/** What an {@linkcode InProcessTaskApp} is made of. @module */
import type { Clock, Logger } from "@synth/core";
import type { TaskAppConfigInput } from "../contract/task_app_config.ts";
import type { ServiceRecords } from "../records/service_records.ts";
import type { TunnelExit, TunnelOpener } from "../tunnels/port.ts";
import type { RegistryTarget } from "./announce_running_app.ts";
import type { InProcessTaskApp } from "./in_process_task_app.ts";

/** How the app is reached: `local` without a tunnel, `preconfigured` by a URL of your own. `named` is another word for `managed`. */
export type TaskAppMode = "local" | "quick" | "managed" | "preconfigured";

/** What answers requests: a function, as `Deno.serve` takes it. */
export type FetchHandler = (request: Request) => Response | Promise<Response>;

/** A function, or what has one as `fetch`: a Hono app, a `Deno.serve` default export. */
export type TaskAppHandler = FetchHandler | { readonly fetch: FetchHandler };

/** Called when the app is up, or before it goes down. What it throws is logged and stops nothing. */
export type LifecycleCallback = (app: InProcessTaskApp) => void | Promise<void>;

/** Exactly one of `app`, `config`, `configFactory` and `taskAppPath` is given. */
export interface InProcessTaskAppOptions {
  /** A Hono app or a fetch handler. It checks the key of its callers itself. */
  readonly app?: TaskAppHandler;
  /** A configuration, served by `createTaskApp`. */
  readonly config?: TaskAppConfigInput;
  /** Makes the configuration when the app starts. */
  readonly configFactory?: () => TaskAppConfigInput | Promise<TaskAppConfigInput>;
  /** A file of TypeScript or JavaScript: see `loadTaskApp`. */
  readonly taskAppPath?: string | URL;
  /** From 1024 to 65535, or 0 for any that is free. @default {8114} */
  readonly port?: number;
  /** `127.0.0.1`, `localhost` or `0.0.0.0`. @default {"127.0.0.1"} */
  readonly host?: string;
  /** `SYNTH_TUNNEL_MODE` overrules it, and `SYNTH_TASK_APP_URL` makes it `preconfigured`. @default {"quick"} */
  readonly tunnelMode?: TaskAppMode | "named";
  /** The URL of the mode `preconfigured`. */
  readonly preconfiguredUrl?: string;
  /** A header that the preconfigured URL wants beside the key, such as `CF-Access-Client-Secret`. */
  readonly preconfiguredAuthHeader?: string;
  /** That header's value. */
  readonly preconfiguredAuthToken?: string;
  /** First label of the managed tunnel's name. */
  readonly tunnelSubdomain?: string;
  /** The key that callers have to send. `null`: the app asks for none. @default {ENVIRONMENT_API_KEY, also of ./.env} */
  readonly apiKey?: string | null;
  /** Makes a random key when none is found; it is then in `apiKey` of the app. @default {false} */
  readonly generateApiKey?: boolean;
  /** Milliseconds that the app has to answer its own health check. @default {30_000} */
  readonly healthCheckTimeoutMs?: number;
  /** Takes the next free port when this one is in use. With `false`, that is an error; no process is ever killed. @default {true} */
  readonly autoFindPort?: boolean;
  /** Takes a tunnel for good without a request through it. @default {false} */
  readonly skipTunnelVerification?: boolean;
  readonly onStart?: LifecycleCallback;
  readonly onStop?: LifecycleCallback;
  /** Called when a tunnel ends by itself. */
  readonly onTunnelExit?: (exit: TunnelExit, app: InProcessTaskApp) => void | Promise<void>;
  /** Whether SIGINT and SIGTERM stop the app and end the process while it runs. @default {true} */
  readonly handleSignals?: boolean;
  /** Milliseconds for all steps of the start together. @default {180_000} */
  readonly startTimeoutMs?: number;
  /** Milliseconds that callbacks, the tunnel and open requests have, each, when the app stops. @default {5_000} */
  readonly stopTimeoutMs?: number;
  /** Ends the start; stops the app when it runs. */
  readonly signal?: AbortSignal;
  /** What opens tunnels. @default {cloudflared} */
  readonly tunnels?: TunnelOpener;
  /** Where the running app is recorded, so that `synth scan` finds it; `false`: nowhere. @default {services.json in SYNTH_HOME} */
  readonly records?: ServiceRecords | false;
  /**
   * The gateway whose registry is told of the app while it runs, unless only this machine can reach the app and the gateway is on another; `false`: none.
   *
   * @default {BACKEND_BASE_URL with SYNTH_API_KEY, when both are set}
   */
  readonly registry?: RegistryTarget | false;
  /** A variable of the environment. @default {the process's} */
  readonly env?: (name: string) => string | undefined;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** Gets one record for each step. @default {JSON lines on stderr} */
  readonly log?: Logger;
}
