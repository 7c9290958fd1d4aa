/**
 * `deno task conformance [--suite DIR]`: what outside suites and our own checker say of the gateway, over a scripted upstream.
 *
 * Prints N of M for each suite with what is missing, and fails when a number is below its floor (floors.json).
 *
 * @module
 */
import floors from "./floors.json" with { type: "json" };
import { scriptedConfig, startGatewayProcess } from "../support/gateway_process.ts";
import { startUpstream } from "../support/scripted_upstream.ts";
import { runLlmprobe } from "./llmprobe.ts";
import { runOpenResponses } from "./open_responses.ts";
import { runOwnChecker } from "./own_checker.ts";
import type { Report } from "./report.ts";

const FLOORS: ReadonlyMap<string, number> = new Map(Object.entries(floors));

async function main(): Promise<boolean> {
  const at = Deno.args.indexOf("--suite");
  const suite = at < 0 ? undefined : Deno.args[at + 1];
  if (at >= 0 && suite === undefined) throw new Error("--suite needs a directory");
  await using upstream = await startUpstream();
  await using gateway = await startGatewayProcess({
    config: scriptedConfig(upstream.baseUrl, "idle_timeout_s = 2\n"),
  });
  let ok = show(await runOwnChecker(gateway.origin, gateway.apiKey));
  ok = show(await runLlmprobe(gateway.origin, gateway.apiKey)) && ok;
  if (suite === undefined) {
    say("Open Responses: not run; give a checkout of the suite with --suite DIR");
  } else {
    ok = show(await runOpenResponses(suite, gateway.origin, gateway.apiKey)) && ok;
  }
  return ok;
}

function show({ suite, passed, total, missing }: Report): boolean {
  const floor = FLOORS.get(suite) ?? total; // ours has none: all of it
  say(`${suite}: ${passed} of ${total} (at least ${floor})`);
  for (const line of missing) say(`  ${line}`);
  if (passed < floor) say(`  FAILED: below the floor of ${floor}`);
  return passed >= floor;
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
}

if (import.meta.main && !await main()) Deno.exit(1);
