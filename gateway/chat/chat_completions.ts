import { SynthError } from "@synth/core";
export function chatCompletions(): Response {
  throw new SynthError("soon", { code: "soon" });
}
