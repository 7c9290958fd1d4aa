/** The limits of a launcher's session: flags > environment > `--config`, else the agent's own file, else `synth.toml`. @module */
import { EXIT, SynthError } from "@synth/core";
import type { LimitRequest, WireMetric } from "@synth/core/api";
import { loadConfig, type SessionConfig, type SynthConfig } from "@synth/core/config";
import { type LimitFlags, limitOf } from "../client/limit_flags.ts";
import type { CliContext } from "../context.ts";
import { readText } from "../state/files.ts";
import { joinPath } from "../state/paths.ts";
import type { Agent } from "./agent.ts";

/** The configuration of the session to be made. */
export async function sessionConfig(
  context: CliContext,
  agent: Agent,
  config: SynthConfig,
  configFlag: string | undefined,
): Promise<SessionConfig> {
  if (configFlag !== undefined) return config.session;
  const path = joinPath(context, context.cwd, agent.limitsFile);
  if (await readText(path) === null) return config.session;
  const loaded = await loadConfig({ env: context.env, explicitPath: path, readFile: readText });
  // It lies in a project, which anyone may have written: it decides about limits and nothing else.
  for (const [key, origin] of loaded.origins) {
    const [section] = JSON.parse(key) as string[];
    if (origin.kind !== "explicit" || section === "session") continue;
    const place = origin.line === undefined ? path : `${path}:${origin.line}`;
    throw new SynthError(`${place}: ${agent.limitsFile} holds [session] and nothing else`, {
      code: "config_invalid",
      exitCode: EXIT.usage,
      hint: `Move [${section}] to synth.toml, or pass --config ${path}`,
    });
  }
  return loaded.config.session;
}

/** The limits to ask for. 0 is a limit. */
export function launchLimits(session: SessionConfig, flags: LimitFlags): LimitRequest[] {
  const values: [WireMetric, string | number | null][] = [
    ["cost_usd", flags.limitCostUsd ?? session.limit_cost_usd],
    ["tokens", flags.limitTokens ?? session.limit_tokens],
    ["gpu_hours", flags.limitGpuHours ?? session.limit_gpu_hours],
    ["api_calls", flags.limitApiCalls ?? session.limit_api_calls],
  ];
  const window = flags.window ?? session.window_seconds;
  const warningThreshold = flags.warningThreshold ?? session.warning_threshold;
  const rules = {
    soft: flags.soft ?? session.soft,
    ...(window === null ? {} : { window }),
    ...(warningThreshold === null ? {} : { warningThreshold }),
  };
  return values.flatMap(([metric, value]) => value === null ? [] : [limitOf(metric, value, rules)]);
}
