/** One entry for each server, whatever found it. @module */
import { parseHttpUrl, serverIdentity } from "./identity.ts";
import type { Candidate, DiscoveryMethod } from "./types.ts";

/** The lower, the more the source knows. */
const RANK: Readonly<Record<DiscoveryMethod, number>> = {
  service_records: 1,
  tunnel_records: 1,
  backend_api: 2,
  cloudflared_process: 2,
  port_scan: 3,
  registry: 4,
};

/** All that is known of one server before it is asked. */
export interface MergedCandidate extends Candidate {
  /** The best first. */
  readonly sources: readonly DiscoveryMethod[];
}

/** Merges candidates of one server. The best source's URL counts, and of each other detail the best source that has it. */
export function mergeCandidates(candidates: readonly Candidate[]): MergedCandidate[] {
  const servers = new Map<string, Candidate[]>();
  for (const candidate of candidates) {
    const url = parseHttpUrl(candidate.url);
    if (url === null) continue;
    const identity = serverIdentity(url);
    const known = servers.get(identity);
    if (known === undefined) servers.set(identity, [candidate]);
    else known.push(candidate);
  }
  return [...servers.values()].map(merge);
}

function merge(candidates: readonly Candidate[]): MergedCandidate {
  // The sort is stable: of equals, the one that came first.
  const best = candidates.toSorted((a, b) => RANK[a.via] - RANK[b.via]);
  const [first] = best;
  if (first === undefined) throw new RangeError("no candidates");
  const pick = <T>(read: (candidate: Candidate) => T | null): T | null => {
    for (const candidate of best) {
      const value = read(candidate);
      if (value !== null) return value;
    }
    return null;
  };
  return {
    ...first,
    type: best.some(({ type }) => type === "cloudflare") ? "cloudflare" : "local",
    port: pick(({ port }) => port),
    mode: pick(({ mode }) => mode),
    hostname: pick(({ hostname }) => hostname),
    appId: pick(({ appId }) => appId),
    recordId: pick(({ recordId }) => recordId),
    trusted: best.some(({ trusted }) => trusted),
    // Entries, for a stranger's key may be called __proto__; the best source has the last word.
    metadata: Object.fromEntries(best.toReversed().flatMap((c) => Object.entries(c.metadata))),
    sources: [...new Set(best.map(({ via }) => via))],
  };
}
