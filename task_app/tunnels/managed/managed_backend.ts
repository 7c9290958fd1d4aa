/** The backend that has managed tunnels: our gateway, or one that speaks as it does. @module */
import {
  type Clock,
  EXIT,
  fetchWithPolicy,
  type Json,
  readJsonLimited,
  redactText,
  SynthError,
} from "@synth/core";
import {
  type ManagedTunnel,
  type RawTunnel,
  readManagedTunnel,
  secretsOf,
  type TunnelSecrets,
} from "./managed_tunnel.ts";

const PATH = "/api/v1/tunnels/";
/** The most that a gateway gives at a time, and lets an org have. */
const LIST = `${PATH}?limit=1000`;
const TIMEOUT_MS = 30_000;
const MAX_BODY = 4 * 1024 * 1024;
const NO_ID = "-";

/** Where it is, and who asks. */
export interface ManagedBackendOptions {
  /** An origin, without `/api` behind it. */
  readonly baseUrl: string;
  /** `SYNTH_API_KEY`; sent to this address alone. */
  readonly apiKey: string;
  readonly clock: Clock;
  /** @default {globalThis.fetch} */
  readonly fetch?: typeof globalThis.fetch | undefined;
}

/** A tunnel that was made. */
export interface CreatedTunnel {
  readonly tunnel: ManagedTunnel;
  readonly secrets: TunnelSecrets;
}

/** Every verb throws `tunnels_backend_unreachable` (exit code 69), `tunnels_backend_error`, `tunnels_backend_answer`. */
export class ManagedBackend {
  readonly #options: ManagedBackendOptions;

  constructor(options: ManagedBackendOptions) {
    this.#options = options;
  }

  /** The org's tunnels that can be run. Entries without a name, an org or an id do not count. */
  async list(signal?: AbortSignal): Promise<ManagedTunnel[]> {
    const body = await this.#call("GET", LIST, undefined, signal);
    if (!Array.isArray(body)) throw strange("its list of tunnels is no list");
    return body.map(readManagedTunnel).filter((tunnel) => tunnel !== null)
      .filter(({ raw }) => raw["status"] === undefined || raw["status"] === "active");
  }

  /**
   * Those to choose from: all of the org's for who names one, else the caller's own, for the token of another user's tunnel is not given. Where
   * the backend does not say whose they are, all.
   */
  async choices(subdomain: string | undefined, signal?: AbortSignal): Promise<ManagedTunnel[]> {
    const tunnels = await this.list(signal);
    if (subdomain !== undefined || tunnels.every(({ userId }) => userId === null)) return tunnels;
    const user = await this.#user(signal);
    return tunnels.filter(({ userId }) => user === null || userId === null || userId === user);
  }

  /** Makes one. */
  async create(
    request: {
      readonly subdomain: string;
      readonly local_port: number;
      readonly local_host: string;
    },
    signal?: AbortSignal,
  ): Promise<CreatedTunnel> {
    const body = await this.#call("POST", PATH, request, signal);
    const raw = objectOf(body);
    // Older backends say neither id nor org.
    const tunnel = readManagedTunnel({
      local_host: request.local_host,
      local_port: request.local_port,
      ...raw,
      id: raw["id"] || NO_ID,
      org_id: raw["org_id"] || NO_ID,
    });
    if (tunnel === null) throw strange("the new tunnel has no name");
    const secrets = secretsOf(raw);
    if (secrets === null) throw strange("the new tunnel has no token");
    return { tunnel, secrets };
  }

  /** What it takes to run a tunnel: from its entry in the list, else asked for. @throws {SynthError} `tunnel_token_missing` */
  async secrets(tunnel: ManagedTunnel, signal?: AbortSignal): Promise<TunnelSecrets> {
    const told = secretsOf(tunnel.raw);
    if (told !== null) return told;
    let answer: RawTunnel = {};
    try {
      const path = `${PATH}${encodeURIComponent(tunnel.id)}/token`;
      answer = objectOf(await this.#call("GET", path, undefined, signal));
    } catch (error) {
      const none = error instanceof SynthError && (error.status === 404 || error.status === 405);
      if (!none) throw error;
    }
    const secrets = secretsOf(answer);
    if (secrets !== null) return secrets;
    throw new SynthError(`The backend does not give the token of ${tunnel.hostname}`, {
      code: "tunnel_token_missing",
      status: 409,
      hint: "Delete that tunnel and let a new one be made, or ask the backend's operator",
    });
  }

  /** Takes one away. */
  async delete(tunnel: ManagedTunnel, signal?: AbortSignal): Promise<void> {
    if (tunnel.id === NO_ID) return;
    await this.#call("DELETE", `${PATH}${encodeURIComponent(tunnel.id)}`, undefined, signal);
  }

  /** Who asks; `null` when the backend has no such route. */
  async #user(signal: AbortSignal | undefined): Promise<string | null> {
    try {
      const user = objectOf(await this.#call("GET", "/api/v1/me", undefined, signal))["user_id"];
      return typeof user === "string" ? user : null;
    } catch (error) {
      if (error instanceof SynthError && (error.status === 404 || error.status === 405)) {
        return null;
      }
      throw error;
    }
  }

  async #call(
    method: string,
    path: string,
    body: unknown,
    signal: AbortSignal | undefined,
  ): Promise<Json> {
    const { baseUrl, apiKey, clock, fetch } = this.#options;
    const request = new Request(new URL(path, baseUrl), {
      method,
      headers: {
        authorization: `Bearer ${apiKey}`,
        accept: "application/json",
        ...(body === undefined ? {} : {
          "content-type": "application/json",
          "idempotency-key": crypto.randomUUID(),
        }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    let response: Response;
    try {
      response = await fetchWithPolicy(request, {
        clock,
        deadlineMs: TIMEOUT_MS,
        retries: method === "GET" ? 2 : 0,
        // A redirect would carry the key away.
        redirect: "manual",
        ...(fetch === undefined ? {} : { fetch }),
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (cause) {
      signal?.throwIfAborted();
      throw new SynthError(`The backend of managed tunnels cannot be reached at ${baseUrl}`, {
        code: "tunnels_backend_unreachable",
        status: 503,
        exitCode: EXIT.unavailable,
        hint: "Is it running, and is BACKEND_BASE_URL right?",
        cause,
      });
    }
    const answer = await readAnswer(response);
    if (response.ok) return answer;
    throw failed(response.status, answer);
  }
}

async function readAnswer(response: Response): Promise<Json> {
  if (response.status === 204) return null;
  try {
    return await readJsonLimited(response.body, { maxBytes: MAX_BODY });
  } catch {
    if (response.ok) throw strange("its answer is not JSON");
    return null;
  }
}

function failed(status: number, body: Json): SynthError {
  const fault = objectOf(objectOf(body)["error"] ?? null);
  const message = typeof fault["message"] === "string" ? fault["message"] : JSON.stringify(body);
  const code = typeof fault["code"] === "string" ? fault["code"] : null;
  const text = redactText(message ?? "").slice(0, 400);
  return new SynthError(
    `The backend of managed tunnels answered ${status}${text === "null" ? "" : `: ${text}`}`,
    {
      code: code !== null && /^[a-z0-9_]{1,64}$/.test(code) ? code : "tunnels_backend_error",
      status,
      // Its 429 is no budget of ours.
      ...(status === 429 ? { exitCode: EXIT.temporary } : {}),
    },
  );
}

function strange(why: string): SynthError {
  return new SynthError(`The backend of managed tunnels is not understood: ${why}`, {
    code: "tunnels_backend_answer",
    status: 502,
    hint: "Check that BACKEND_BASE_URL names a synth gateway",
  });
}

function objectOf(value: Json): RawTunnel {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
}
