/**
 * The executable: `deno run cli/main.ts up`.
 *
 * @module
 */
import { runProgram } from "./program.ts";

if (import.meta.main) await runProgram();
