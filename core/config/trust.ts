/**
 * Which settings count only where the user put them: what can send a secret or money elsewhere, open the budget to
 * others, or run a program. A `synth.toml` that merely lies in a project may come from anyone.
 *
 * @module
 */
import type { ConfigPath } from "./scan.ts";

/** Keys of the flat sections. The named sections are judged key by key below. */
const GUARDED: Readonly<Record<string, ReadonlySet<string>>> = {
  gateway: new Set([
    "host",
    "store",
    "cors_origins",
    "metrics",
    "requests_per_minute",
    "max_streams",
    "websockets_per_key",
  ]),
  client: new Set(["base_url"]),
  tunnels: new Set(["domain", "account_id", "zone_id", "max_per_org"]),
};

/** Sections that count as a whole. `queue` and `train` will name executors and backends. */
const GUARDED_SECTIONS: ReadonlySet<string> = new Set(["upstreams", "sessions", "queue", "train"]);

/** Of a model: where its requests go and what they are said to cost. */
const GUARDED_OF_MODELS: ReadonlySet<string> = new Set([
  "upstream",
  "model",
  "price",
  "bounds",
  "fallback",
]);

/** Whether a setting counts only in the user's file, the environment or an explicit `--config`. */
export function isGuarded(path: ConfigPath): boolean {
  const [section, key, inner] = path.map(String);
  if (section === undefined) return false;
  if (GUARDED_SECTIONS.has(section)) return true;
  if (section === "models") return inner !== undefined && GUARDED_OF_MODELS.has(inner);
  if (key === undefined) return false;
  return GUARDED[section]?.has(key) === true || /_(?:env|file|url|host|hosts)$/.test(key);
}

/** SHA-256, in hexadecimal, of a file's path and content: what `synth config trust` remembers. */
export async function fingerprint(path: string, content: string): Promise<string> {
  const bytes = new TextEncoder().encode(`${path}\0${content}`);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
