/** Gets a file from a disk or over the network, within limits. @module */
import { type Clock, EXIT, fetchWithPolicy, readBodyLimited, SynthError } from "@synth/core";

const MAX_REDIRECTS = 5;

/** What is got, and how. */
export interface FetchBytesOptions {
  /** At most so many bytes. */
  readonly maxBytes: number;
  readonly deadlineMs: number;
  readonly clock: Clock;
  readonly fetch?: typeof globalThis.fetch | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Whether a source is got over the network. */
export function isUrl(source: string): boolean {
  return /^https?:\/\//i.test(source);
}

/**
 * The bytes of a file, or of an `https:` URL (`http:` on this machine), whose redirects are followed.
 *
 * @throws {SynthError} `install_source_unusable`
 */
export async function fetchBytes(source: string, options: FetchBytesOptions): Promise<Uint8Array> {
  return isUrl(source) ? await download(source, options) : await readFile(source, options.maxBytes);
}

async function readFile(path: string, maxBytes: number): Promise<Uint8Array> {
  let size: number;
  try {
    const info = await Deno.stat(path);
    if (!info.isFile) throw unusable(path, "it is no file");
    ({ size } = info);
    if (size <= maxBytes) return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof SynthError) throw error;
    const missing = error instanceof Deno.errors.NotFound;
    throw unusable(path, missing ? "there is no such file" : String(error), missing);
  }
  throw unusable(path, `it has ${size} bytes, more than ${maxBytes}`);
}

async function download(source: string, options: FetchBytesOptions): Promise<Uint8Array> {
  let url = new URL(source);
  for (let hops = 0;; hops++) {
    const local = ["127.0.0.1", "localhost", "[::1]"].includes(url.hostname);
    if (url.protocol !== "https:" && !(url.protocol === "http:" && local)) {
      throw unusable(url.href, "it does not begin with https://");
    }
    const { clock, deadlineMs, fetch, signal } = options;
    const response = await fetchWithPolicy(new Request(url), {
      clock,
      deadlineMs,
      redirect: "manual",
      ...(fetch === undefined ? {} : { fetch }),
      ...(signal === undefined ? {} : { signal }),
    });
    const next = response.headers.get("location");
    if (next !== null && [301, 302, 303, 307, 308].includes(response.status)) {
      await response.body?.cancel();
      if (hops === MAX_REDIRECTS) throw unusable(source, "it has too many redirects");
      url = new URL(next, url);
      continue;
    }
    if (response.status !== 200) {
      await response.body?.cancel();
      throw unusable(
        url.origin + url.pathname,
        `the answer was ${response.status}`,
        response.status === 404,
      );
    }
    return await readBodyLimited(response.body, options.maxBytes);
  }
}

function unusable(source: string, why: string, missing = false): SynthError {
  return new SynthError(`${source} cannot be used: ${why}`, {
    code: "install_source_unusable",
    ...(missing ? { exitCode: EXIT.notFound } : {}),
  });
}
