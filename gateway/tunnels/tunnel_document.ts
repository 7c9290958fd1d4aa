/** A tunnel as it is stored: what it is, what was begun for it, and who may go on with it when. @module */
import type { Json } from "@synth/core";
import * as z from "zod";
import { type Part, type PartIds, PARTS, type TunnelPlan } from "./provider.ts";

/** How far a tunnel is. */
export type Phase = "provisioning" | "active" | "deleting";

/** What is kept of a tunnel. Nothing of it is a secret that is not sealed. */
export interface TunnelDocument {
  readonly id: string;
  readonly org: string;
  readonly user: string;
  readonly localHost: string;
  readonly localPort: number;
  /** Empty until a name was claimed. */
  readonly hostname: string;
  readonly phase: Phase;
  /** Where its parts are: the configuration may name another account by the time they are removed. */
  readonly accountId: string;
  readonly zoneId: string;
  /** Parts that may be there: written before they are asked for. */
  readonly begun: readonly Part[];
  /** Parts that are there. */
  readonly parts: PartIds;
  /** Sealed; `null` before there are any, and while they are changed. */
  readonly credentials: string | null;
  readonly accessExpiresAt: number | null;
  readonly createdAt: number;
  /** Until when somebody works on it and nobody else may; 0: nobody does. */
  readonly heldUntil: number;
  /** Not before this time does a sweep look at it. */
  readonly sweepAt: number;
}

/** A document with the version that it was read at. */
export interface Versioned {
  readonly tunnel: TunnelDocument;
  readonly version: number;
}

const VERSION = 1;
const PartName = z.enum(PARTS);
const partId = z.string().nullable();

const Stored = z.object({
  v: z.literal(VERSION),
  id: z.string(),
  org: z.string(),
  user: z.string(),
  local_host: z.string(),
  local_port: z.int(),
  hostname: z.string(),
  phase: z.enum(["provisioning", "active", "deleting"]),
  account_id: z.string(),
  zone_id: z.string(),
  begun: z.array(PartName),
  parts: z.object({
    tunnel: partId,
    service_token: partId,
    policy: partId,
    application: partId,
    record: partId,
  }),
  credentials: z.string().nullable(),
  access_expires_at: z.number().nullable(),
  created_at: z.number(),
  held_until: z.number(),
  sweep_at: z.number(),
});

/** No part at all. */
export const NO_PARTS: PartIds = {
  tunnel: null,
  service_token: null,
  policy: null,
  application: null,
  record: null,
};

/** As it is stored. */
export function encodeTunnel(tunnel: TunnelDocument): Json {
  return {
    v: VERSION,
    id: tunnel.id,
    org: tunnel.org,
    user: tunnel.user,
    local_host: tunnel.localHost,
    local_port: tunnel.localPort,
    hostname: tunnel.hostname,
    phase: tunnel.phase,
    account_id: tunnel.accountId,
    zone_id: tunnel.zoneId,
    begun: [...tunnel.begun],
    parts: { ...tunnel.parts },
    credentials: tunnel.credentials,
    access_expires_at: tunnel.accessExpiresAt,
    created_at: tunnel.createdAt,
    held_until: tunnel.heldUntil,
    sweep_at: tunnel.sweepAt,
  };
}

/** `null` for what a later version wrote in a shape that this one cannot read. */
export function decodeTunnel(value: Json): TunnelDocument | null {
  const read = Stored.safeParse(value);
  if (!read.success) return null;
  const it = read.data;
  return {
    id: it.id,
    org: it.org,
    user: it.user,
    localHost: it.local_host,
    localPort: it.local_port,
    hostname: it.hostname,
    phase: it.phase,
    accountId: it.account_id,
    zoneId: it.zone_id,
    begun: it.begun,
    parts: it.parts,
    credentials: it.credentials,
    accessExpiresAt: it.access_expires_at,
    createdAt: it.created_at,
    heldUntil: it.held_until,
    sweepAt: it.sweep_at,
  };
}

/** What its provider is told. The name is an id that was never used before. */
export function planOf({ id, hostname, localHost, localPort }: TunnelDocument): TunnelPlan {
  const host = localHost.includes(":") ? `[${localHost}]` : localHost;
  return { name: `synth-${id}`, hostname, service: `http://${host}:${localPort}` };
}
