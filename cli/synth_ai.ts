/**
 * The same executable under the name that the Python package had.
 *
 * @module
 */
import { runProgram } from "./program.ts";

if (import.meta.main) await runProgram("synth-ai");
