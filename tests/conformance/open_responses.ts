/** A checkout of the Open Responses suite: its HTTP and its WebSocket tests. @module */
import { isRecord, type Rec } from "../support/response_shape.ts";
import { runProgram } from "../support/run_program.ts";
import type { Report } from "./report.ts";

/**
 * Runs the suite in `dir`.
 *
 * @throws {Error} when `dir` holds no such suite
 */
export async function runOpenResponses(
  dir: string,
  origin: string,
  apiKey: string,
): Promise<Report> {
  const root = await Deno.realPath(dir);
  const source = await Deno.readTextFile(`${root}/src/lib/compliance-tests.ts`);
  const ids = [...source.matchAll(/^ {4}id: "([a-z-]+)",$/gm)].map((match) => match[1] ?? "");
  const work = await Deno.makeTempDir({ prefix: "synth-open-responses-" });
  try {
    await Deno.writeTextFile(`${work}/map.json`, '{"imports":{"zod":"npm:zod@3"}}');
    const { stdout, stderr } = await runProgram(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--no-config",
        "--no-lock",
        "--sloppy-imports",
        `--import-map=${work}/map.json`,
        `${root}/bin/compliance-test.ts`,
        "-u",
        `${origin}/v1`,
        "-k",
        apiKey,
        "-m",
        "mock-auto",
        "--filter",
        ids.join(","),
        "--json",
      ],
      cwd: work,
      env: Deno.env.toObject(), // of a Deno that shall find its cache and registry
      deadline: 300_000,
    });
    const start = stdout.indexOf("{");
    if (start < 0) throw new Error(`the Open Responses suite: ${stdout}${stderr}`);
    return read(JSON.parse(stdout.slice(start)));
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

function read(report: Rec): Report {
  const results = Array.isArray(report.results) ? report.results.filter(isRecord) : [];
  const failed = results.filter((result) => result.status !== "passed");
  return {
    suite: "Open Responses",
    passed: results.length - failed.length,
    total: results.length,
    missing: failed.map((result) => `${result.id}: ${JSON.stringify(result.errors)}`),
  };
}
