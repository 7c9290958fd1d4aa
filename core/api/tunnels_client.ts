import * as z from "zod";
import type { ApiCaller, Repeatable } from "./api_caller.ts";
import {
  type DeletedTunnel,
  DeletedTunnelSchema,
  type TunnelCredentials,
  TunnelCredentialsSchema,
  type TunnelObject,
  type TunnelRequest,
  TunnelSchema,
  type TunnelStatus,
} from "./tunnels.ts";

const TUNNELS = "/api/v1/tunnels/";
const Tunnels = z.array(TunnelSchema);

/**
 * The managed tunnels of the caller's org. Every verb needs the scope `sessions`, and throws `SynthError` with the server's code: 501
 * `tunnels_not_configured` where the operator has set none up.
 */
export class TunnelsClient {
  readonly #api: ApiCaller;

  constructor(api: ApiCaller) {
    this.#api = api;
  }

  /**
   * Makes a tunnel. Its credentials are in this answer, and in that of {@linkcode credentials}.
   *
   * @throws {SynthError} 400 `invalid_subdomain`, `invalid_local_host`; 409 `subdomain_taken`, `too_many_tunnels`; `tunnel_provider_...` when
   * Cloudflare does not do its part: then nothing is left of it
   */
  async create(request: TunnelRequest, options: Repeatable = {}): Promise<TunnelCredentials> {
    return await this.#api.call("POST", TUNNELS, TunnelCredentialsSchema, {
      ...options,
      body: request,
    });
  }

  /** The org's tunnels, newest first. @param query `status`: which; the active ones unless it is given */
  async list(query: { readonly status?: TunnelStatus | "all" } = {}): Promise<TunnelObject[]> {
    return await this.#api.call("GET", TUNNELS, Tunnels, { query: { ...query } });
  }

  /** One of them. @throws {SynthError} 404 `tunnel_not_found` */
  async get(id: string): Promise<TunnelObject> {
    return await this.#api.call("GET", at(id), TunnelSchema);
  }

  /**
   * A tunnel with what it takes to run it again, for who made it and for admins.
   *
   * @throws {SynthError} 403 `not_tunnel_owner`; 404 `tunnel_not_found`; 409 `tunnel_not_active`, `tunnel_credentials_unavailable`
   */
  async credentials(id: string): Promise<TunnelCredentials> {
    return await this.#api.call("GET", at(id, "/token"), TunnelCredentialsSchema);
  }

  /**
   * Puts new credentials in the place of the old, which end at once; the Access credentials hold for another year. For who made it and for
   * admins.
   *
   * @throws {SynthError} as {@linkcode credentials}
   */
  async rotate(id: string): Promise<TunnelCredentials> {
    return await this.#api.call("POST", at(id, "/rotate"), TunnelCredentialsSchema);
  }

  /** Deletes a tunnel, its name and its credentials; again is no error. @throws {SynthError} 404 `tunnel_not_found` */
  async delete(id: string): Promise<DeletedTunnel> {
    return await this.#api.call("DELETE", at(id), DeletedTunnelSchema);
  }
}

function at(id: string, rest = ""): string {
  return `${TUNNELS}${encodeURIComponent(id)}${rest}`;
}
