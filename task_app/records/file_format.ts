/** How the file of records is read and written. @module */
import * as z from "zod";
import type { ServiceRecord } from "./types.ts";

/** The version that is written. */
export const RECORDS_VERSION = 1;

/** What a file holds. */
export interface RecordsFile {
  readonly records: readonly ServiceRecord[];
  /** Entries that this version cannot read; they are written back as they were. */
  readonly others: readonly unknown[];
}

/** What became of reading a file. */
export type ReadOutcome =
  | { readonly kind: "read"; readonly file: RecordsFile }
  /** It is no file of ours. */
  | { readonly kind: "corrupt"; readonly why: string }
  /** A newer synth has written it. */
  | { readonly kind: "newer"; readonly version: number };

const EMPTY: RecordsFile = { records: [], others: [] };

const url = z.string().max(2048).refine((text) => URL.canParse(text));
const port = z.int().min(1).max(65_535);
const pid = z.int().positive();

const common = {
  id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  url,
  created_at: z.string(),
  port: port.nullable(),
  local_host: z.string(),
  pid: pid.nullable(),
  pid_started: z.string().nullable(),
  pid_scope: z.string().nullable(),
  app_id: z.string().optional(),
  task_app_path: z.string().optional(),
  log_file: z.string().optional(),
};

const record = z.discriminatedUnion("type", [
  z.looseObject({ ...common, type: z.literal("local") }),
  z.looseObject({
    ...common,
    type: z.literal("tunnel"),
    mode: z.enum(["quick", "managed"]),
    hostname: z.string(),
    metrics_url: z.string().optional(),
    service_id: z.string().optional(),
  }),
  z.looseObject({
    ...common,
    type: z.literal("deployment"),
    target: z.string(),
    name: z.string().optional(),
    phase: z.literal("starting").optional(),
    mode: z.enum(["serve", "deploy"]).optional(),
    external_id: z.string().optional(),
    program: z.string().optional(),
  }),
]);

const file = z.object({ v: z.int(), services: z.array(z.unknown()) });

/** The entries of synth-ai: one for a port, which is its key. */
const originalRecord = z.looseObject({
  url,
  port,
  type: z.enum(["local", "tunnel"]).default("local"),
  local_host: z.string().default("127.0.0.1"),
  created_at: z.string().default(new Date(0).toISOString()),
  pid: pid.nullable().default(null),
});

/** Reads a file of ours, or one of synth-ai, which has ports for keys. */
export function parseRecords(text: string): ReadOutcome {
  if (text.trim() === "") return { kind: "read", file: EMPTY };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: "corrupt", why: "it is not JSON" };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { kind: "corrupt", why: "it is not an object" };
  }
  if (!Object.hasOwn(value, "v")) return parseOriginal(Object.entries(value));
  const parsed = file.safeParse(value);
  if (!parsed.success) return { kind: "corrupt", why: "it has no list of services" };
  if (parsed.data.v > RECORDS_VERSION) return { kind: "newer", version: parsed.data.v };
  const records: ServiceRecord[] = [];
  const others: unknown[] = [];
  for (const entry of parsed.data.services) {
    const read = record.safeParse(entry);
    // The entry itself, with the order of its members.
    if (read.success) records.push(entry as ServiceRecord);
    else others.push(entry);
  }
  return { kind: "read", file: { records, others } };
}

function parseOriginal(entries: readonly [string, unknown][]): ReadOutcome {
  const records: ServiceRecord[] = [];
  const others: unknown[] = [];
  for (const [key, entry] of entries) {
    if (!/^[0-9]{1,5}$/.test(key)) {
      return { kind: "corrupt", why: `it has the unknown member ${JSON.stringify(key)}` };
    }
    const read = originalRecord.safeParse(entry);
    const whole = read.success ? record.safeParse(fromOriginal(read.data)) : read;
    if (whole.success) records.push(whole.data as ServiceRecord);
    else others.push(entry);
  }
  return { kind: "read", file: { records, others } };
}

function fromOriginal(entry: z.infer<typeof originalRecord>): Record<string, unknown> {
  const { url, port, type } = entry;
  const same = { ...entry, id: `svc_port_${port}`, pid_started: null, pid_scope: null };
  if (type === "local") return same;
  return { ...same, mode: entry["mode"] ?? "quick", hostname: entry["hostname"] ?? hostOf(url) };
}

function hostOf(url: string): string {
  return new URL(url).hostname;
}

/** The text of a file. */
export function formatRecords({ records, others }: RecordsFile): string {
  return `${JSON.stringify({ v: RECORDS_VERSION, services: [...records, ...others] }, null, 2)}\n`;
}
