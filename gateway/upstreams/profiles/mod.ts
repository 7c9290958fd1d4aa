/**
 * The profiles of upstreams by name, as `profile = "groq"` in the configuration names them.
 *
 * @module
 */
import type { UpstreamProfile } from "../../bridge/profile.ts";
import { DEEPSEEK } from "./deepseek.ts";
import { GENERIC } from "./generic.ts";
import { GROQ } from "./groq.ts";
import { LLAMACPP } from "./llamacpp.ts";
import { LMSTUDIO } from "./lmstudio.ts";
import { MISTRAL } from "./mistral.ts";
import { MOONSHOT } from "./moonshot.ts";
import { OLLAMA } from "./ollama.ts";
import { OPENAI } from "./openai.ts";
import { OPENROUTER } from "./openrouter.ts";
import { QWEN } from "./qwen.ts";
import { UNCAPPED } from "./uncapped.ts";
import { VLLM } from "./vllm.ts";
import { XAI } from "./xai.ts";
import { ZAI } from "./zai.ts";

/** All profiles, `generic` first. */
export const PROFILES: ReadonlyMap<string, UpstreamProfile> = new Map(
  [
    GENERIC,
    UNCAPPED,
    OPENAI,
    DEEPSEEK,
    GROQ,
    MISTRAL,
    QWEN,
    XAI,
    MOONSHOT,
    OPENROUTER,
    ZAI,
    OLLAMA,
    VLLM,
    LLAMACPP,
    LMSTUDIO,
  ].map((
    profile,
  ) => [profile.name, profile]),
);

/** The profile of a name, or null. */
export function profileNamed(name: string): UpstreamProfile | null {
  return PROFILES.get(name) ?? null;
}
