/** The log of an app to which none is given: JSON lines on stderr. @module */
import { type Clock, createLogger, type Logger, SecretSet } from "@synth/core";

const SECRETS = [
  "ENVIRONMENT_API_KEY",
  "SYNTH_API_KEY",
  "CF_ACCESS_CLIENT_SECRET",
  "OPENAI_API_KEY",
  "GROQ_API_KEY",
];

/** Makes it; the keys of the environment are masked wherever they turn up. */
export function defaultLog(env: (name: string) => string | undefined, clock: Clock): Logger {
  const secrets = new SecretSet();
  for (const name of SECRETS) secrets.add(env(name) ?? "");
  return createLogger({ write: writeLine, clock, secrets });
}

function writeLine(line: string): void {
  const bytes = new TextEncoder().encode(`${line}\n`);
  for (let at = 0; at < bytes.length;) at += Deno.stderr.writeSync(bytes.subarray(at));
}
