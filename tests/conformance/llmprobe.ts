/** The llmprobe suite: what it says of our Responses and Chat Completions surfaces. @module */
import { installClient } from "../support/install.ts";
import { isRecord, type Rec } from "../support/response_shape.ts";
import { runProgram } from "../support/run_program.ts";
import type { Report } from "./report.ts";

/** Runs llmprobe; nothing is recorded or uploaded. */
export async function runLlmprobe(origin: string, apiKey: string): Promise<Report> {
  const dir = await installClient("llmprobe");
  const home = await Deno.makeTempDir({ prefix: "synth-llmprobe-" });
  try {
    const { stdout, stderr } = await runProgram("node", {
      args: [
        `${dir}/node_modules/llmprobe/bin/dist/llmprobe.mjs`,
        `${origin}/v1`,
        "-m",
        "mock-auto",
        "-k",
        apiKey,
        "--no-bench",
        "--no-save",
        "--json",
      ],
      cwd: home,
      env: { HOME: home },
      deadline: 300_000,
    });
    if (stdout === "") throw new Error(`llmprobe: ${stderr}`);
    return read(JSON.parse(stdout));
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

function read(report: Rec): Report {
  const conformance = isRecord(report.conformance) ? report.conformance : {};
  const ours = ["responses", "chat", "models"];
  let passed = 0;
  let total = 0;
  for (const surface of records(conformance.bySurface)) {
    if (!ours.includes(String(surface.surface))) continue;
    passed += Number(surface.passed);
    total += Number(surface.total);
  }
  const missing = records(conformance.results)
    .filter((result) => ours.includes(String(result.surface)))
    .filter((result) => result.outcome !== "pass" && result.outcome !== "skipped")
    .map((result) => {
      const said = records(result.failures).map((failure) => failure.message);
      return `${result.id} (${result.outcome}): ${result.reason ?? said.join("; ")}`;
    });
  return { suite: "llmprobe", passed, total, missing };
}

function records(value: unknown): Rec[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}
