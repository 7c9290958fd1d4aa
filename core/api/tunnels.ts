/** Managed tunnels on the wire: public addresses that lead to a task app on the caller's machine. @module */
import * as z from "zod";

/** What a tunnel is wanted for. */
export interface TunnelRequest {
  /** Port of the task app on the caller's machine, 1 to 65535. */
  local_port: number;
  /** Where it listens there: `127.0.0.1`, another `127.x.x.x`, `localhost` or `::1`. @default {"127.0.0.1"} */
  local_host?: string | null | undefined;
  /**
   * First label of the public name. What is not a letter, digit or hyphen becomes a hyphen; one that is taken is refused. Absent, or
   * `tunnel-` and the local port: that name when it is free, else a random one.
   */
  subdomain?: string | null | undefined;
}

/** How far a tunnel is: only an active one can be run. */
export type TunnelStatus = "provisioning" | "active" | "deleting";

/** A managed tunnel. */
export interface TunnelObject {
  /** `tun_` and 32 of `[0-9a-v]`. */
  id: string;
  /** Its public name; empty until one is found. */
  hostname: string;
  /** `https://` and the name. */
  public_url: string;
  /** The first label of the name. */
  subdomain: string;
  org_id: string;
  /** Who made it: the one who may read its credentials, rotate and delete it, beside an admin. */
  user_id: string;
  local_host: string;
  local_port: number;
  status: TunnelStatus;
  /** ISO 8601 */
  created_at: string;
  /** ISO 8601: when the Access credentials end unless they are rotated; `null` until there are some. */
  access_expires_at: string | null;
}

/** A tunnel with what it takes to run and to reach it. Everything here but the names is secret. */
export interface TunnelCredentials extends TunnelObject {
  /** For `cloudflared`, in its environment as `TUNNEL_TOKEN`. */
  tunnel_token: string;
  /** Sent as `CF-Access-Client-Id` by who calls through the tunnel. */
  access_client_id: string;
  /** Sent as `CF-Access-Client-Secret`. */
  access_client_secret: string;
}

/** A tunnel that was deleted. */
export interface DeletedTunnel {
  id: string;
  /** `deleting`: something could not be removed yet; the gateway goes on by itself. */
  status: "deleted" | "deleting";
}

const tunnel = {
  id: z.string(),
  hostname: z.string(),
  public_url: z.string(),
  subdomain: z.string(),
  org_id: z.string(),
  user_id: z.string(),
  local_host: z.string(),
  local_port: z.int(),
  status: z.enum(["provisioning", "active", "deleting"]),
  created_at: z.string(),
  access_expires_at: z.string().nullable(),
};

/** See {@linkcode TunnelRequest}. */
export const TunnelRequestSchema: z.ZodType<TunnelRequest> = z.strictObject({
  local_port: z.int().min(1).max(65_535),
  local_host: z.string().max(64).nullish(),
  subdomain: z.string().max(253).nullish(),
});

/** See {@linkcode TunnelObject}. */
export const TunnelSchema: z.ZodType<TunnelObject> = z.object(tunnel);

/** See {@linkcode TunnelCredentials}. */
export const TunnelCredentialsSchema: z.ZodType<TunnelCredentials> = z.object({
  ...tunnel,
  tunnel_token: z.string().min(1),
  access_client_id: z.string().min(1),
  access_client_secret: z.string().min(1),
});

/** See {@linkcode DeletedTunnel}. */
export const DeletedTunnelSchema: z.ZodType<DeletedTunnel> = z.object({
  id: z.string(),
  status: z.enum(["deleted", "deleting"]),
});
