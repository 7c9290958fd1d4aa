import { SynthError } from "@synth/core";
import type { ResolvedModel } from "./model_table.ts";

/**
 * Upstreams that speak the Responses API are not called yet.
 *
 * @throws {SynthError} 400 `unsupported_upstream_api`
 */
export function refuseOtherApi(model: ResolvedModel): void {
  if (model.upstream.api === "chat") return;
  throw new SynthError(`The upstream of ${JSON.stringify(model.name)} does not speak Chat`, {
    code: "unsupported_upstream_api",
    status: 400,
    param: "model",
    hint: 'Set api = "chat" for it: this version translates to Chat Completions only',
  });
}
