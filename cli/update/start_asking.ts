/** Starts the process that asks for the newest version. @module */
import { dirname } from "node:path";
import type { CliContext } from "../context.ts";

/** What Deno needs to reach its registry. No key of ours is among it. */
const INHERITED =
  /^(?:PATH|HOME|USERPROFILE|SystemRoot|LOCALAPPDATA|XDG_CACHE_HOME|TEMP|TMP|TMPDIR|DENO_(?:DIR|CERT|TLS_CA_STORE)|JSR_URL|(?:https?|no|all)_proxy)$/i;

/** Starts it and leaves it alone. `false` when this program may start none. */
export async function startAsking(context: CliContext, file: string): Promise<boolean> {
  const deno = Deno.execPath();
  // A program of its own cannot run our modules, and nobody is to be asked for a permission.
  const { state } = await Deno.permissions.query({ name: "run", command: deno });
  if (Deno.build.standalone || state !== "granted") return false;
  const directory = dirname(file);
  const env = Object.entries(context.env).flatMap(([name, value]) =>
    INHERITED.test(name) && value !== undefined ? [[name, value]] : []
  );
  new Deno.Command(deno, {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--no-lock",
      `--allow-run=${deno}`,
      `--allow-read=${directory},${deno}`,
      `--allow-write=${directory}`,
      "--allow-env",
      "--allow-sys",
      import.meta.resolve("./ask.ts"),
      file,
    ],
    // No configuration of the working directory counts.
    cwd: directory,
    clearEnv: true,
    env: Object.fromEntries(env),
    stdin: "null",
    stdout: "null",
    stderr: "null",
    detached: true,
  }).spawn().unref();
  return true;
}
