import { SynthError } from "@synth/core";
import type { ResponsesRequest } from "@synth/core/api";
import type { ClientTraits } from "../bridge/client_traits.ts";
import { runsAtClient } from "../bridge/reverse/metering.ts";

/**
 * Codex declares a web search by itself, wanted or not. Where a hard limit refuses that (nothing bounds what it costs) the request goes without, as it
 * does to Chat upstreams; any other client meant what it asked for, and gets the refusal.
 *
 * @returns `null` when the error is not about that
 */
export function withoutHostedTools(
  asked: ResponsesRequest,
  client: ClientTraits,
  error: unknown,
): { readonly asked: ResponsesRequest; readonly dropped: string[] } | null {
  if (client.kind !== "codex" || !(error instanceof SynthError)) return null;
  if (error.code !== "unmeterable_field" || !/^tools\[/.test(error.param ?? "")) return null;
  const tools = asked.tools ?? [];
  const dropped = tools.filter((tool) => !runsAtClient(tool)).map(({ type }) => type);
  return { asked: { ...asked, tools: tools.filter(runsAtClient) }, dropped };
}
