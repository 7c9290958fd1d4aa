/** Asks a `cloudflared` about itself. @module */
import { type Clock, type Json, jsonMember, readJsonLimited } from "@synth/core";

const TIMEOUT_MS = 2_000;
const MAX_BODY = 64 * 1024;
/** Under which the names of quick tunnels are. */
export const QUICK_DOMAIN = "trycloudflare.com";
const NAME = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+$/;

/** What is needed to ask. */
export interface MetricsOptions {
  /** Of the metrics server, without a slash at the end. */
  readonly url: string;
  readonly clock: Pick<Clock, "after">;
  /** @default {globalThis.fetch} */
  readonly fetch?: typeof globalThis.fetch | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Whether a text is a host name. */
export function isHostname(text: string): boolean {
  return NAME.test(text);
}

/** Whether a name can be that of a quick tunnel. */
export function isQuickName(hostname: string): boolean {
  return hostname.endsWith(`.${QUICK_DOMAIN}`);
}

/** Name of a quick tunnel; `null` while there is none, and for a managed tunnel. */
export async function quickHostname(options: MetricsOptions): Promise<string | null> {
  const answer = await ask(options, "/quicktunnel");
  const hostname = answer?.status === 200 ? jsonMember(answer.body, "hostname") : null;
  return typeof hostname === "string" && isHostname(hostname) ? hostname : null;
}

/** Number of its connections to the edge; `null` when nobody answers. */
export async function readyConnections(options: MetricsOptions): Promise<number | null> {
  const answer = await ask(options, "/ready");
  if (answer === null) return null;
  const count = jsonMember(answer.body, "readyConnections");
  if (answer.status === 200) return typeof count === "number" && count > 0 ? count : 1;
  return answer.status === 503 ? 0 : null;
}

async function ask(
  options: MetricsOptions,
  path: string,
): Promise<{ status: number; body: Json } | null> {
  const { url, clock, signal } = options;
  const late = new AbortController();
  const cancel = clock.after(TIMEOUT_MS, () => late.abort(new Error("no answer in time")));
  try {
    const response = await (options.fetch ?? fetch)(`${url}${path}`, {
      redirect: "manual",
      signal: signal === undefined ? late.signal : AbortSignal.any([late.signal, signal]),
    });
    const body = await readJsonLimited(response.body, { maxBytes: MAX_BODY });
    return { status: response.status, body };
  } catch {
    // Nobody there yet, or somebody else.
    return null;
  } finally {
    cancel();
  }
}
