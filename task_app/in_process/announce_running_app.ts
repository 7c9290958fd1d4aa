/** Tells a gateway's registry of a task app that runs here, where that is of use to anybody. @module */
import type { Clock, Logger } from "@synth/core";
import { SynthClient } from "@synth/core/api";
import { type Announcement, announceTaskApp } from "../announce.ts";
import { isLoopbackHost } from "../discovery/identity.ts";
import type { TaskAppMode } from "./options.ts";

/** A gateway, and a key for it with the scope `sessions`. */
export interface RegistryTarget {
  /** Without `/api` behind it. */
  readonly baseUrl: string;
  /** Secret. */
  readonly apiKey: string;
}

/** A task app that runs. */
export interface RunningApp {
  readonly appId: string | null;
  /** Where callers reach it. */
  readonly url: string;
  readonly mode: TaskAppMode;
}

/** Milliseconds for one request: the end of the app waits for one that is under way. */
const TIMEOUT_MS = 5_000;

/**
 * Announces the app and keeps it announced.
 *
 * @returns `null` when it has no id, or can be reached from this machine alone and the gateway is on another one
 */
export function announceRunningApp(
  { baseUrl, apiKey }: RegistryTarget,
  { appId, url, mode }: RunningApp,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
): Announcement | null {
  const here = isLoopbackHost(new URL(url).hostname);
  if (appId === null || (here && !isLoopbackHost(new URL(baseUrl).hostname))) return null;
  const { registry } = new SynthClient({ baseUrl, apiKey, timeoutMs: TIMEOUT_MS });
  return announceTaskApp({
    registry,
    appId,
    announcement: { url, ...(mode === "quick" || mode === "managed" ? { tunnel_mode: mode } : {}) },
    clock,
    log,
  });
}

/** The gateway that the environment names: `BACKEND_BASE_URL` and `SYNTH_API_KEY`, when both are there. */
export function registryOfEnvironment(
  env: (name: string) => string | undefined,
): RegistryTarget | null {
  const [baseUrl, apiKey] = [env("BACKEND_BASE_URL"), env("SYNTH_API_KEY")];
  if (!baseUrl || !apiKey || !URL.canParse(baseUrl)) return null;
  return { baseUrl: new URL(baseUrl).origin, apiKey };
}
