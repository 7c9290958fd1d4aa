/** Hands a tunnel's address and credentials to jobs: `TASK_APP_URL` and `CF_ACCESS_*` in a `.env` file. @module */
import {
  changeEnvFile,
  maskSecret,
  parseEnvFile,
  removeEnvVariable,
  setEnvVariable,
} from "../env_file.ts";

const NAMES = ["CF_ACCESS_CLIENT_ID", "CF_ACCESS_CLIENT_SECRET"] as const;

/** What was changed, as it may be shown. */
export interface StoredVariable {
  readonly name: string;
  /** Secrets are masked. `null`: it was removed, for it was of the tunnel before. */
  readonly shown: string | null;
}

/**
 * Writes `TASK_APP_URL` and, when there are Access headers, `CF_ACCESS_CLIENT_ID` and `CF_ACCESS_CLIENT_SECRET`, all of them or none. Where there are
 * none, those that were written for another address are removed: they are no use here, and whoever sends them shows them to a stranger. The file is
 * its owner's alone afterwards.
 *
 * @throws {SynthError} `env_file_unreadable`, `env_file_unwritable`, `env_file_broken`
 */
export async function storeTunnelEnvironment(
  path: string,
  tunnel: { readonly url: string; accessHeaders(): Record<string, string> },
): Promise<StoredVariable[]> {
  const headers = new Headers(tunnel.accessHeaders());
  const id = headers.get("cf-access-client-id");
  const secret = headers.get("cf-access-client-secret");
  const stored: StoredVariable[] = [];
  const change = (text: string): string => {
    const before = parseEnvFile(text);
    let changed = setEnvVariable(text, "TASK_APP_URL", tunnel.url);
    stored.push({ name: "TASK_APP_URL", shown: tunnel.url });
    if (id !== null && secret !== null) {
      changed = setEnvVariable(changed, NAMES[0], id);
      changed = setEnvVariable(changed, NAMES[1], secret);
      stored.push({ name: NAMES[0], shown: maskSecret(id) });
      stored.push({ name: NAMES[1], shown: maskSecret(secret) });
      return changed;
    }
    const old = before.get("TASK_APP_URL");
    for (const name of old === undefined || old === tunnel.url ? [] : NAMES) {
      if (!before.has(name)) continue;
      changed = removeEnvVariable(changed, name);
      stored.push({ name, shown: null });
    }
    return changed;
  };
  await changeEnvFile(path, change, { onlyOwner: true });
  return stored;
}
