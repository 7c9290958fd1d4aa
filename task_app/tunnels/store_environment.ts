/** Hands a tunnel's address and credentials to jobs: `TASK_APP_URL` and `CF_ACCESS_*` in a `.env` file. @module */
import { maskSecret, writeEnvVariable } from "../env_file.ts";

/** What was written, as it may be shown. */
export interface StoredVariable {
  readonly name: string;
  /** Secrets are masked. */
  readonly shown: string;
}

/**
 * Writes `TASK_APP_URL` and, when there are Access headers, `CF_ACCESS_CLIENT_ID` and `CF_ACCESS_CLIENT_SECRET`. The file is its owner's alone
 * afterwards.
 *
 * @throws {SynthError} `env_file_unreadable`, `env_file_unwritable`
 */
export async function storeTunnelEnvironment(
  path: string,
  tunnel: { readonly url: string; accessHeaders(): Record<string, string> },
): Promise<StoredVariable[]> {
  const headers = new Headers(tunnel.accessHeaders());
  const id = headers.get("cf-access-client-id");
  const secret = headers.get("cf-access-client-secret");
  const written: StoredVariable[] = [];
  const write = async (name: string, value: string, shown: string) => {
    await writeEnvVariable(path, name, value);
    written.push({ name, shown });
  };
  await write("TASK_APP_URL", tunnel.url, tunnel.url);
  if (Deno.build.os !== "windows") await Deno.chmod(path, 0o600);
  if (id !== null && secret !== null) {
    await write("CF_ACCESS_CLIENT_ID", id, maskSecret(id));
    await write("CF_ACCESS_CLIENT_SECRET", secret, maskSecret(secret));
  }
  return written;
}
