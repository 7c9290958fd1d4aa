/** Files with secrets: private, written whole or not at all. @module */

/** Text of a file, `null` when there is none. */
export async function readText(path: string): Promise<string | null> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return null;
    }
    throw error;
  }
}

/** Replaces a file by one that only the user can read; a reader sees the old content or the new. */
export async function writePrivate(path: string, content: string): Promise<void> {
  const temporary = await writeTemporary(path, content);
  try {
    await Deno.rename(temporary, path);
  } catch (error) {
    await removeIfThere(temporary);
    throw error;
  }
}

/**
 * Makes a private file unless there is one. It appears with all of its content: of many processes that try at once one
 * wins, and the others read what the winner wrote.
 *
 * @returns whether this call made it
 */
export async function createPrivate(path: string, content: string): Promise<boolean> {
  const temporary = await writeTemporary(path, content);
  try {
    await Deno.link(temporary, path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    return await createDirectly(path, content, error);
  } finally {
    await removeIfThere(temporary);
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

/** For file systems without hard links: exclusive, though a reader may come between opening and writing. */
async function createDirectly(path: string, content: string, cause: unknown): Promise<boolean> {
  if (cause instanceof Deno.errors.NotFound) throw cause;
  try {
    await Deno.writeTextFile(path, content, { createNew: true, mode: 0o600 });
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
}

async function writeTemporary(path: string, content: string): Promise<string> {
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  using file = await Deno.open(temporary, { write: true, createNew: true, mode: 0o600 });
  const bytes = new TextEncoder().encode(content);
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
  await file.sync();
  return temporary;
}
