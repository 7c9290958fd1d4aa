/**
 * The same executable under the name that the Python package had.
 *
 * @module
 */
import { processContext } from "./context.ts";
import { runCli } from "./run.ts";

if (import.meta.main) Deno.exit(await runCli(Deno.args, processContext("synth-ai")));
