/** Gets keys from a backend whose user confirms in a browser. @module */
import { type Clock, EXIT, SynthError } from "@synth/core";

/** A handshake that waits for its user. */
export interface Handshake {
  /** Where the user confirms. */
  readonly page: string;
  readonly deviceCode: string;
  /** Milliseconds. */
  readonly expiresIn: number;
  /** Milliseconds between two questions. */
  readonly interval: number;
}

/** What the backend gives. */
export interface HandshakeKeys {
  readonly org: string | null;
  readonly synthKey: string;
  readonly environmentKey: string | null;
}

type Fetch = typeof globalThis.fetch;

const CALL_MS = 15_000;
const MAX_ANSWER = 65_536;
const PATH = "/api/sdk/handshake";

/** Checks where the keys come from: encrypted, unless it is this machine. @throws {SynthError} `invalid_backend` */
export function backendOrigin(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const local = url !== null && /^(?:localhost|127\.[0-9.]+|\[::1\])$/.test(url.hostname);
  const secure = url?.protocol === "https:" || (local && url?.protocol === "http:");
  if (url !== null && secure && url.username === "" && url.password === "") return url.origin;
  throw new SynthError("This is no backend to get keys from", {
    code: "invalid_backend",
    exitCode: EXIT.usage,
    hint: "Write https://HOST, or http://localhost:PORT on this machine",
  });
}

/** Begins. @throws {SynthError} `backend_unreachable`, `handshake_failed` */
export async function beginHandshake(origin: string, fetcher: Fetch): Promise<Handshake> {
  const { status, body } = await post(`${origin}${PATH}/init`, {}, fetcher);
  const code = body.device_code;
  const page = body.verification_uri;
  if (status !== 200 || typeof code !== "string" || typeof page !== "string") {
    throw failed(`The backend answered ${status}`);
  }
  const url = URL.canParse(page, origin) ? new URL(page, origin) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) throw failed("The backend named no page");
  return {
    page: url.href,
    deviceCode: code,
    expiresIn: secondsOf(body.expires_in, 600, 3600) * 1000,
    interval: secondsOf(body.interval, 3, 60) * 1000,
  };
}

/**
 * Asks until the user has confirmed.
 *
 * @throws {SynthError} `handshake_failed` when it was refused, `handshake_expired` (exit code 75) when nobody confirmed in time
 */
export async function awaitKeys(
  origin: string,
  handshake: Handshake,
  clock: Pick<Clock, "monotonic" | "sleep">,
  fetcher: Fetch,
): Promise<HandshakeKeys> {
  const end = clock.monotonic() + handshake.expiresIn;
  while (clock.monotonic() < end) {
    await clock.sleep(handshake.interval);
    const answer = await post(`${origin}${PATH}/token`, {
      device_code: handshake.deviceCode,
    }, fetcher).catch((error: unknown) => {
      if (error instanceof SynthError && error.code === "backend_unreachable") return null;
      throw error;
    });
    if (answer === null) continue;
    if (answer.status === 200) return keysOf(answer.body);
    if (answer.status === 404 || answer.status === 410) {
      throw failed("The backend has withdrawn it");
    }
  }
  throw new SynthError("Nobody confirmed in time", {
    code: "handshake_expired",
    exitCode: EXIT.temporary,
    hint: "Run synth setup again",
  });
}

function keysOf(body: Record<string, unknown>): HandshakeKeys {
  const keys = isRecord(body.keys) ? body.keys : {};
  const org = isRecord(body.org) && typeof body.org.name === "string" ? body.org.name : null;
  const { synth, rl_env: environment } = keys;
  const usable = (key: unknown): key is string =>
    typeof key === "string" && /^[\x21-\x7e]{8,512}$/.test(key);
  if (!usable(synth)) throw failed("The backend's answer holds no key");
  return { org, synthKey: synth, environmentKey: usable(environment) ? environment : null };
}

async function post(
  url: string,
  body: unknown,
  fetcher: Fetch,
): Promise<{ status: number; body: Record<string, unknown> }> {
  try {
    const response = await fetcher(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      redirect: "manual",
      signal: AbortSignal.timeout(CALL_MS),
    });
    const text = await response.text();
    return { status: response.status, body: parse(text) };
  } catch (cause) {
    throw new SynthError(`The backend cannot be reached at ${new URL(url).origin}`, {
      code: "backend_unreachable",
      status: 503,
      hint: "Check --backend and the network; synth setup --local needs neither",
      cause,
    });
  }
}

function parse(text: string): Record<string, unknown> {
  if (text.length > MAX_ANSWER) return {};
  try {
    const content: unknown = JSON.parse(text);
    return isRecord(content) ? content : {};
  } catch {
    return {};
  }
}

function secondsOf(value: unknown, fallback: number, most: number): number {
  return typeof value === "number" && value > 0 ? Math.min(value, most) : fallback;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function failed(message: string): SynthError {
  return new SynthError(message, {
    code: "handshake_failed",
    exitCode: EXIT.auth,
    hint: "Run synth setup again, or make keys here: synth setup --local",
  });
}
