/** What this user's service records name. @module */
import type { ServiceRecord } from "../records/types.ts";
import { parseHttpUrl, plainUrl } from "./identity.ts";
import type { Candidate } from "./types.ts";

/** Candidates of the records of task apps and tunnels.  */
export function recordCandidates(records: readonly ServiceRecord[]): Candidate[] {
  return records.flatMap((record): Candidate[] => {
    const url = parseHttpUrl(record.url);
    if (url === null) return [];
    const tunnel = record.type === "tunnel" ? record : null;
    // Asking it would start a container, which costs; synth deploy list asks Modal instead.
    if (record.type === "deployment" && record.target === "modal") return [];
    // One that is being opened has no name to be reached by yet.
    if (tunnel?.hostname === "") return [];
    return [{
      url: plainUrl(url),
      via: tunnel === null ? "service_records" : "tunnel_records",
      type: tunnel === null ? "local" : "cloudflare",
      port: record.port,
      mode: tunnel?.mode ?? null,
      hostname: tunnel?.hostname ?? null,
      appId: record.app_id ?? null,
      metadata: { ...record },
      trusted: true,
      recordId: record.id,
    }];
  });
}
