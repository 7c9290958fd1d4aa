/** Rolls the running task app out over seeds: `--help` tells the options. @module */
import { runCommand } from "../shared/command.ts";

Deno.exitCode = await runCommand({
  script: "evaluate.ts [options]",
  envOptions: { split: "train, val or test (train)" },
}, Deno.args);
