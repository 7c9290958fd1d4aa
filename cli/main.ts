/**
 * The executable: `deno run cli/main.ts up`.
 *
 * @module
 */
import { processContext } from "./context.ts";
import { runCli } from "./run.ts";

if (import.meta.main) Deno.exit(await runCli(Deno.args, processContext()));
