/** Which of our own records still say who listens there. @module */
import type { ProcessState } from "../records/process_identity.ts";
import type { ServiceRecord } from "../records/types.ts";
import { isLoopbackHost } from "./identity.ts";
import type { Candidate } from "./types.ts";

/** Tells whether the process of a record runs. */
export type ProcessStateOf = (record: ServiceRecord) => Promise<ProcessState>;

/**
 * The candidates of records, with `trusted` as the records deserve it. A port outlives its process, and whoever is quick has it next: a record of a
 * place on this machine counts only while its process is known to run. A public name is not given to the next one like that; its record counts until
 * its process is known to be gone.
 */
export async function trustRecords(
  candidates: readonly Candidate[],
  records: readonly ServiceRecord[],
  stateOf: ProcessStateOf,
): Promise<Candidate[]> {
  const byId = new Map(records.map((record) => [record.id, record]));
  return await Promise.all(candidates.map(async (candidate) => {
    const record = candidate.recordId === null ? undefined : byId.get(candidate.recordId);
    if (record === undefined) return { ...candidate, trusted: false };
    const state = await stateOf(record);
    const here = record.type === "local" || isHere(new URL(candidate.url).hostname);
    return { ...candidate, trusted: here ? state === "running" : state !== "gone" };
  }));
}

function isHere(host: string): boolean {
  return host === "0.0.0.0" || host === "[::]" || isLoopbackHost(host);
}
