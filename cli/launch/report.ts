/** What a launcher says around its agent, on stderr. @module */
import { SynthError } from "@synth/core";
import type { SessionObject, SessionRequest } from "@synth/core/api";
import type { CliContext } from "../context.ts";
import { amount, count, METRIC_NAMES, usd } from "../output/amounts.ts";
import { say } from "../output/print.ts";
import { exceededText } from "../output/session_view.ts";
import type { Agent } from "./agent.ts";
import type { AgentSession, SessionVerbs } from "./agent_session.ts";

/** Before the agent. */
export function sayLimits(
  context: CliContext,
  agent: Agent,
  sessionId: string,
  about: { readonly model: string; readonly request: SessionRequest | null },
): void {
  const limits = (about.request?.limits ?? []).map(({ metric_type: metric, limit_value: value }) =>
    metric === "cost_usd" || metric === "gpu_hours"
      ? amount(metric, Number(value))
      : `${amount(metric, Number(value))} ${METRIC_NAMES[metric]}`
  );
  const budget = about.request === null ? "its own limits" : limits.join(", ") || "no limits";
  say(context, `synth: ${agent.title} on ${about.model}, session ${sessionId}, ${budget}`);
}

/** When the session has ended under the agent. */
export function sayRestarts(context: CliContext, sessionId: string, error: SynthError): void {
  say(context, `synth: session ${sessionId} has ended (${error.code}); its requests are refused`);
}

/** Behind the agent; as one line of JSON where that is wanted, for stdout is the agent's. A gateway that is away must not hide the agent's exit code. */
export async function saySpent(
  context: CliContext,
  agent: Agent,
  session: AgentSession,
  api: SessionVerbs,
  how: { readonly own: boolean; readonly json: boolean },
): Promise<void> {
  const { own } = how;
  let last: SessionObject;
  try {
    last = await session.close(api);
  } catch (error) {
    const why = error instanceof SynthError ? error.message : String(error);
    const then = own ? "It ends by itself when it is idle" : "See synth session show";
    return say(context, `synth: what session ${session.id} cost is not known: ${why}. ${then}`);
  }
  if (how.json) return say(context, JSON.stringify(last));
  const { cost_usd: cost, tokens, api_calls: calls } = last.current_usage;
  const limit = last.limits.find((one) => one.metric_type === "cost_usd");
  const of = limit === undefined ? "" : ` of ${usd(limit.limit_value)}`;
  say(
    context,
    `synth: ${agent.title} used ${usd(cost)}${of}, ${count(tokens)} tokens, ${
      count(calls)
    } calls ` +
      `(session ${last.session_id}, ${last.status})`,
  );
  if (own) {
    const over = last.limits.filter((one) => one.exceeded && one.limit_type !== "soft");
    for (const { metric_type: metric, limit_value: value } of over) {
      say(
        context,
        `synth: its ${METRIC_NAMES[metric]} limit of ${amount(metric, value)} is used up`,
      );
    }
    return;
  }
  context.process.stderr.write(exceededText(last, context.process.stderr));
}

/** When the agent's own key could not be ended. */
export function sayKeyLeft(context: CliContext, keyId: string, why: string): void {
  say(context, `synth: the agent's key ${keyId} could not be revoked: ${why}. It ends by itself`);
}
