/** Waits for changes of the files beside a task app. @module */

/** Milliseconds without a change after which the changes are over: editors write a file in several steps. */
const QUIET_MS = 100;
const SOURCE = /\.(?:ts|mts|tsx|js|mjs|jsx|json|jsonc|jsonl|toml|ya?ml|txt|md|csv|env)$/;
const IGNORED = /[\\/](?:node_modules|\.git|\.[^\\/]+)[\\/]/;

/**
 * Gives the name of a file that changed, once for changes that come together, until the signal. What changes from this call on is seen, also before
 * anybody asks for the first name.
 */
export function watchFiles(dir: string, signal: AbortSignal): AsyncGenerator<string> {
  const watcher = Deno.watchFs(dir, { recursive: true });
  signal.addEventListener("abort", () => watcher.close(), { once: true });
  if (signal.aborted) watcher.close();
  return changesOf(watcher, dir, signal);
}

async function* changesOf(
  watcher: Deno.FsWatcher,
  dir: string,
  signal: AbortSignal,
): AsyncGenerator<string> {
  let changed: string | null = null;
  let wake = Promise.withResolvers<void>();
  const reading = (async () => {
    for await (const event of watcher) {
      const path = event.kind === "access"
        ? undefined
        : event.paths.find((one) => counts(dir, one));
      if (path === undefined) continue;
      changed = path.slice(dir.length + 1);
      wake.resolve();
    }
  })().finally(() => wake.resolve());
  while (!signal.aborted) {
    await wake.promise;
    if (signal.aborted) break;
    let seen: string | null = null;
    // Until nothing has changed for a while.
    while (changed !== null) {
      seen = changed;
      changed = null;
      await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    }
    wake = Promise.withResolvers();
    if (seen !== null) yield seen;
  }
  await reading;
}

function counts(dir: string, path: string): boolean {
  const inside = path.slice(dir.length);
  return SOURCE.test(inside) && !IGNORED.test(inside);
}
