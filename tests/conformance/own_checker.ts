/** Our own checker over every scripted case, streamed and unary. @module */
import { compareError, compareResponse } from "../support/compare_case.ts";
import {
  checkEvents,
  checkResponse,
  finalResponse,
  parseSseText,
} from "../support/response_invariants.ts";
import { isRecord } from "../support/response_shape.ts";
import { CASES, type Expectation, TOOLS } from "../support/scripted_cases.ts";
import type { Report } from "./report.ts";

/** Runs every case twice against `origin`. */
export async function runOwnChecker(origin: string, apiKey: string): Promise<Report> {
  const missing: string[] = [];
  let total = 0;
  const runs = [...CASES].flatMap(([name, { expect }]) =>
    [true, false].map(async (streamed) => {
      total++;
      const problems = await runCase(origin, apiKey, name, expect, streamed)
        .catch((error) => [String(error)]);
      if (problems.length > 0) {
        missing.push(`${name} ${streamed ? "streamed" : "unary"}: ${problems.join("; ")}`);
      }
    })
  );
  await Promise.all(runs);
  return { suite: "own checker", passed: total - missing.length, total, missing: missing.sort() };
}

async function runCase(
  origin: string,
  apiKey: string,
  name: string,
  expect: Expectation,
  stream: boolean,
): Promise<string[]> {
  const response = await fetch(`${origin}/v1/responses`, {
    method: "POST",
    headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
    body: JSON.stringify({ model: `mock-${name}`, input: "hi", tools: TOOLS, stream }),
  });
  const text = await response.text();
  const refused = expect.status === "http" || (!stream && expect.status === "failed");
  if (refused) return compareError(expect, response.status, JSON.parse(text));
  if (response.status !== 200) return [`HTTP status is ${response.status}: ${text}`];
  if (!stream) {
    const body: unknown = JSON.parse(text);
    return [...checkResponse(body), ...isRecord(body) ? compareResponse(expect, body) : []];
  }
  const events = parseSseText(text);
  return [...checkEvents(events), ...compareResponse(expect, finalResponse(events))];
}
