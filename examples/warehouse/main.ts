/** Serves the task app in this process, rolls it out, and stops it: `--help` tells the options. @module */
import { serveAndEvaluate } from "../shared/in_process.ts";

Deno.exitCode = await serveAndEvaluate(new URL("task_app.ts", import.meta.url), {
  script: "main.ts [options]",
  envOptions: { difficulty: "easy, medium or hard (by the seed)" },
});
