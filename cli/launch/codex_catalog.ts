/** Tells Codex about our models in its own format, so that it knows their context window and instructs them. @module */
import type { ModelObject } from "@synth/core/api";

/** A model as Codex describes it. Its fields differ from version to version; what we do not know is kept. */
export type CodexModel = Readonly<Record<string, unknown>>;

/** Fields of a model that is not OpenAI's: no effort levels, tiers or verbosity that an upstream may refuse. */
const PLAIN: CodexModel = {
  default_reasoning_level: null,
  supported_reasoning_levels: [],
  additional_speed_tiers: [],
  service_tiers: [],
  availability_nux: null,
  upgrade: null,
  support_verbosity: false,
  default_verbosity: null,
  supports_search_tool: false,
  comp_hash: null,
  visibility: "list",
  supported_in_api: true,
};

/**
 * The description to go by, of what `codex debug models` prints: the first listed model that is spoken to by the plain Responses API;
 * `null` when there is none.
 */
export function readTemplate(text: string): CodexModel | null {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    return null;
  }
  const models = isRecord(content) && Array.isArray(content.models) ? content.models : [];
  const plain = models.filter(isRecord).find((model) =>
    model.visibility === "list" && model.use_responses_lite !== true &&
    typeof model.base_instructions === "string"
  );
  return plain ?? null;
}

/** The catalogue's text: each of our models after the template. */
export function catalogText(template: CodexModel, models: readonly ModelObject[]): string {
  const described = models.map((model, i) => ({
    ...withoutName(template),
    ...PLAIN,
    slug: model.id,
    display_name: model.id,
    description: model.description ?? `Served by ${model.owned_by} through synth`,
    priority: i + 1,
    ...(model.context_window === null ? {} : {
      context_window: model.context_window,
      max_context_window: model.context_window,
    }),
  }));
  return `${JSON.stringify({ models: described })}\n`;
}

/** Its instructions name a model that ours are not. */
function withoutName(template: CodexModel): CodexModel {
  const text = JSON.stringify(template).replace(/ based on GPT-[0-9]{1,3}(?:\.[0-9]{1,3})?/g, "");
  return JSON.parse(text) as CodexModel;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
