/** The record of a deployment on a platform: there before anything is begun there. @module */
import { removeDeploymentFiles } from "@synth/task-app/deploy";
import type { DeploymentServiceRecord } from "@synth/task-app/records";
import type { DeployRun } from "./deploy_flags.ts";

/** What is known when it begins. */
export type Begun =
  & Pick<DeploymentServiceRecord, "target">
  & Partial<
    Pick<
      DeploymentServiceRecord,
      "mode" | "external_id" | "program" | "task_app_path" | "log_file" | "pid"
    >
  >;

/** What is known when it answers. */
export interface Answering {
  readonly url: string;
  readonly externalId: string | null;
}

/** Writes the record, marked as not yet known to answer: who comes after a command that was killed can find and end what it began. */
export async function beginRecord(run: DeployRun, begun: Begun): Promise<void> {
  await run.records.add({
    id: run.id,
    type: "deployment",
    name: run.name,
    phase: "starting",
    // Not known yet; nobody takes this for an address to ask.
    url: "about:blank",
    port: null,
    local_host: "127.0.0.1",
    pid: null,
    ...begun,
  });
}

/** Puts what the platform calls it into the record. */
export async function nameRecord({ records, id }: DeployRun, externalId: string): Promise<void> {
  await records.update(id, (record) => ({ ...record, external_id: externalId }));
}

/** Says that it answers. The records of the versions that it has replaced go: the platform has one app of a name. */
export async function finishRecord(run: DeployRun, answering: Answering): Promise<void> {
  const { records, id, paths } = run;
  const { url, externalId } = answering;
  const own = await records.update(id, (record) => {
    if (record.type !== "deployment") return record;
    const { phase: _over, ...rest } = record;
    return { ...rest, url, ...(externalId === null ? {} : { external_id: externalId }) };
  });
  if (own?.type !== "deployment" || own.pid !== null || externalId === null) return;
  for (const record of await records.list()) {
    if (record.type !== "deployment" || record.id === id || record.pid !== null) continue;
    // Another account's has another address.
    const replaced = record.target === own.target && record.external_id === externalId &&
      record.url === url;
    if (!replaced) continue;
    await records.remove(record.id);
    await removeDeploymentFiles(paths.home, record.id);
  }
}
