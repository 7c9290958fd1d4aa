/** Which gateway runs on this machine, so that commands find it. @module */
import { replacePrivateFile } from "@synth/core/platform";
import { readText, removeIfThere } from "./files.ts";

/** A running gateway. */
export interface GatewayRecord {
  readonly v: 1;
  /** Where to call it. */
  readonly url: string;
  readonly pid: number;
  /** ISO 8601. */
  readonly started_at: string;
}

/** Records a gateway; the one that started last is found. */
export async function recordGateway(path: string, record: GatewayRecord): Promise<void> {
  await replacePrivateFile(path, `${JSON.stringify(record)}\n`);
}

/** The recorded gateway, `null` when there is none or the file is not ours. */
export async function readGateway(path: string): Promise<GatewayRecord | null> {
  const text = await readText(path);
  if (text === null) return null;
  try {
    const record = JSON.parse(text) as Partial<GatewayRecord> | null;
    const valid = record?.v === 1 && typeof record.url === "string" &&
      URL.canParse(record.url) && typeof record.pid === "number";
    return valid ? record as GatewayRecord : null;
  } catch {
    return null;
  }
}

/** Removes the record of this process; that of a gateway that started later stays. */
export async function removeGateway(path: string, pid: number): Promise<void> {
  if ((await readGateway(path))?.pid === pid) await removeIfThere(path);
}
