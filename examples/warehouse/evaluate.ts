/** Rolls the running task app out over seeds: `--help` tells the options. @module */
import { runCommand } from "../shared/command.ts";

Deno.exitCode = await runCommand({
  script: "evaluate.ts [options]",
  envOptions: { difficulty: "easy, medium or hard (by the seed)" },
}, Deno.args);
