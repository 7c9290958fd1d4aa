/** Reading and removing what may not be there. @module */
import { readTextFile } from "@synth/core/platform";

/** Text of a file, `null` when there is none. */
export async function readText(path: string): Promise<string | null> {
  try {
    return await readTextFile(path) ?? null;
  } catch (error) {
    if (error instanceof Deno.errors.NotADirectory) return null;
    throw error;
  }
}

/** Removes a file if it is there. */
export async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
