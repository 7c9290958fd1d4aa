/** A managed tunnel, as a backend tells of it. @module */
import type { Json } from "@synth/core";
import { isHostname } from "../cloudflared/metrics_client.ts";

/** An object from a backend. */
export type RawTunnel = { readonly [key: string]: Json };

/** What of it is used. */
export interface ManagedTunnel {
  readonly id: string;
  readonly hostname: string;
  readonly orgId: string;
  /** Who made it; `null` when the backend does not say. */
  readonly userId: string | null;
  /** Its first label. */
  readonly subdomain: string;
  /** Where it leads on the machine that runs it. */
  readonly localHost: string;
  readonly localPort: number;
  /** All that was told; may hold secrets. */
  readonly raw: RawTunnel;
}

/** What it takes to run a tunnel and to reach what is behind it. Secret. */
export interface TunnelSecrets {
  readonly token: string;
  readonly accessClientId: string | null;
  readonly accessClientSecret: string | null;
}

/** Where backends of all ages have put a credential, the first counts. */
const PLACES: readonly (readonly string[])[] = [
  [],
  ["metadata"],
  ["metadata", "secrets"],
  ["metadata", "credentials"],
  ["metadata", "cloudflare"],
  ["metadata", "cloudflare", "secrets"],
];

/** Reads an entry of the list; `null` when it lacks a name, an org or an id. */
export function readManagedTunnel(raw: Json): ManagedTunnel | null {
  if (!isObject(raw)) return null;
  const [id, orgId] = [textOf(raw, "id"), textOf(raw, "org_id")];
  const hostname = textOf(raw, "hostname")?.replace(/^https?:\/\//, "").toLowerCase() ?? "";
  if (id === null || orgId === null || !isHostname(hostname)) return null;
  const port = raw["local_port"];
  const valid = typeof port === "number" && Number.isInteger(port) && port > 0 && port < 65_536;
  return {
    id,
    hostname,
    orgId,
    userId: textOf(raw, "user_id"),
    subdomain: hostname.split(".", 1)[0] ?? "",
    localHost: textOf(raw, "local_host") ?? "127.0.0.1",
    localPort: valid ? port : 8000,
    raw,
  };
}

/** A credential by its name, from wherever it is kept; `null` when it is nowhere. */
export function credentialOf(raw: RawTunnel, key: string): string | null {
  for (const place of PLACES) {
    let holder: Json | undefined = raw;
    for (const name of place) holder = isObject(holder) ? own(holder, name) : undefined;
    if (isObject(holder)) {
      const value = textOf(holder, key);
      if (value !== null) return value;
    }
  }
  return null;
}

/** All credentials; `null` without a token. */
export function secretsOf(raw: RawTunnel): TunnelSecrets | null {
  const token = credentialOf(raw, "tunnel_token");
  if (token === null) return null;
  return {
    token,
    accessClientId: credentialOf(raw, "access_client_id"),
    accessClientSecret: credentialOf(raw, "access_client_secret"),
  };
}

function textOf(raw: RawTunnel, name: string): string | null {
  const value = own(raw, name);
  return typeof value === "string" && value.trim() !== "" ? value.trim() : null;
}

function own(raw: RawTunnel, name: string): Json | undefined {
  return Object.hasOwn(raw, name) ? raw[name] : undefined;
}

function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
