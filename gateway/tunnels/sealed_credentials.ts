/** Credentials of a tunnel as they are stored: sealed for this org and this tunnel. @module */
import type { Sealer, SealScope } from "../bridge/seal.ts";
import * as z from "zod";
import type { TunnelDocument } from "./tunnel_document.ts";

/** Secret. */
export interface StoredCredentials {
  readonly tunnelToken: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

const Stored = z.object({
  tunnelToken: z.string(),
  clientId: z.string(),
  clientSecret: z.string(),
});

/** Seals them. */
export async function sealCredentials(
  sealer: Sealer,
  tunnel: TunnelDocument,
  credentials: StoredCredentials,
): Promise<string> {
  const text = JSON.stringify(credentials);
  return await sealer.sealLater({ kind: "document", text }, scopeOf(tunnel));
}

/** Opens them; `null` when there are none, or the key that sealed them is gone. */
export async function openCredentials(
  sealer: Sealer,
  tunnel: TunnelDocument,
): Promise<StoredCredentials | null> {
  if (tunnel.credentials === null) return null;
  const opened = await sealer.openLater(tunnel.credentials, scopeOf(tunnel));
  if (opened?.kind !== "document") return null;
  const read = Stored.safeParse(JSON.parse(opened.text));
  return read.success ? read.data : null;
}

function scopeOf({ org, id }: TunnelDocument): SealScope {
  return { org, model: `tunnel:${id}` };
}
