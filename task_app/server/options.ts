import { type Clock, createLogger, type Logger, SecretSet, systemClock } from "@synth/core";
import { readEnv } from "@synth/core/platform";

/** What a task app's server is given from outside; all of it can be left out. */
export interface TaskAppOptions {
  /** Where keys are read, at each request. In a Worker: `(name) => env[name]`. @default {the process's environment} */
  env?: (name: string) => string | undefined;
  /** For calls of vendors through the proxies. @default {globalThis.fetch} */
  fetch?: typeof globalThis.fetch;
  /** @default {systemClock} */
  clock?: Clock;
  /** @default {JSON lines on standard error} */
  log?: Logger;
}

/** {@linkcode TaskAppOptions} with nothing left out. */
export type TaskAppPorts = Required<TaskAppOptions>;

/** Fills in the defaults. */
export function taskAppPorts(options: TaskAppOptions): TaskAppPorts {
  const env = options.env ?? readEnv;
  return {
    env,
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    clock: options.clock ?? systemClock,
    log: options.log ?? stderrLogger(env),
  };
}

const SECRETS = ["ENVIRONMENT_API_KEY", "OPENAI_API_KEY", "GROQ_API_KEY", "SYNTH_API_KEY"];

function stderrLogger(env: TaskAppPorts["env"]): Logger {
  const secrets = new SecretSet();
  for (const name of SECRETS) secrets.add(env(name) ?? "");
  // deno-lint-ignore no-console
  return createLogger({ write: (line) => console.error(line), secrets });
}
