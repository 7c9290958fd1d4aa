/** What is remembered about newer versions: `update.json` in the directory of the state. @module */
import { replacePrivateFile } from "@synth/core/platform";
import { readText } from "../state/files.ts";

/** Times are in milliseconds since 1970; 0 is never. */
export interface UpdateFile {
  readonly v: 1;
  readonly asked_at: number;
  readonly told_at: number;
  /** `null`: not known. */
  readonly latest: string | null;
}

/** Reads it; what is not there or cannot be read is as if nobody had asked. */
export async function readUpdateFile(path: string): Promise<UpdateFile> {
  const content = parsed(await readText(path) ?? "");
  const { asked_at: asked, told_at: told, latest } = content;
  return {
    v: 1,
    asked_at: typeof asked === "number" ? asked : 0,
    told_at: typeof told === "number" ? told : 0,
    latest: typeof latest === "string" && isVersion(latest) ? latest : null,
  };
}

/** Replaces it. */
export async function writeUpdateFile(path: string, content: UpdateFile): Promise<void> {
  await replacePrivateFile(path, `${JSON.stringify(content)}\n`);
}

/** Whether this is a released version: what stands here is shown to people. */
export function isVersion(text: string): boolean {
  return /^\d{1,6}\.\d{1,6}\.\d{1,6}$/.test(text);
}

/** Whether a version comes behind another. Both are as `1.2.3`. */
export function isNewer(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => text.split(".").map(Number));
  for (const n of [0, 1, 2]) {
    const difference = (a?.[n] ?? 0) - (b?.[n] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}

function parsed(text: string): Record<string, unknown> {
  try {
    const content: unknown = JSON.parse(text);
    return typeof content === "object" && content !== null
      ? content as Record<string, unknown>
      : {};
  } catch {
    return {};
  }
}
