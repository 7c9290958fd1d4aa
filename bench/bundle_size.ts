/** The size of the Worker. @module */

/** Bytes of the bundle after gzip; `null` when it was not built. */
export async function bundleSize(): Promise<number | null> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(new URL("../dist/worker.js", import.meta.url));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  let bytes = 0;
  for await (const chunk of file.readable.pipeThrough(new CompressionStream("gzip"))) {
    bytes += chunk.length;
  }
  return bytes;
}
