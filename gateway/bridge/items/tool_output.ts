import { SynthError } from "@synth/core";
import type { ContentPart, InputItem, KnownInputItem, ToolSearchOutputItem } from "@synth/core/api";
import type { ChatPart } from "../chat.ts";
import type { UpstreamProfile } from "../profile.ts";
import { flatName } from "../tools/flat_name.ts";
import { chatPart } from "./content.ts";

/** What a tool gave: text for the tool message, and media that may have to go elsewhere. */
export interface ToolOutput {
  readonly text: string;
  readonly media: readonly ChatPart[];
}

/** What stands for the output of a call that was interrupted. */
export const ABORTED: ToolOutput = { text: "aborted", media: [] };

/**
 * Reads the output item of any kind of call.
 *
 * @param declare told of every part that this upstream cannot take; its place is marked in the text
 */
export function toolOutput(
  item: InputItem,
  profile: UpstreamProfile,
  path: string,
  declare: (what: string) => void,
): ToolOutput {
  const known = item as KnownInputItem;
  switch (known.type) {
    case "function_call_output":
    case "custom_tool_call_output":
      return typeof known.output === "string"
        ? { text: known.output, media: [] }
        : partsOutput(known.output, profile, `${path}.output`, declare);
    case "tool_search_output":
      return { text: searchText(known), media: [] };
    case "apply_patch_call_output":
    case "shell_call_output":
    case "local_shell_call_output":
      return { text: jsonText(known.output ?? known.status ?? ""), media: [] };
    default:
      return { text: "", media: [] };
  }
}

function partsOutput(
  parts: readonly ContentPart[],
  profile: UpstreamProfile,
  path: string,
  declare: (what: string) => void,
): ToolOutput {
  const texts: string[] = [];
  const media: ChatPart[] = [];
  for (let index = 0; index < parts.length; index++) {
    const part = parts[index]!;
    const chat = partOrNote(part, profile, `${path}[${index}]`, declare);
    if (chat === null) continue;
    if (chat.type === "text") texts.push(chat.text);
    else media.push(chat);
  }
  return { text: texts.join("\n"), media };
}

/** A tool's output is not the user's doing, and stays in the history for good: what cannot be sent is marked, never refused. */
function partOrNote(
  part: ContentPart,
  profile: UpstreamProfile,
  path: string,
  declare: (what: string) => void,
): ChatPart | null {
  try {
    return chatPart(part, profile, path);
  } catch (error) {
    if (!(error instanceof SynthError)) throw error;
    const kind = part.type.replace(/^input_/, "").slice(0, 32);
    declare(`tool_output.${kind}`);
    return { type: "text", text: `[${kind} left out: ${error.message}]` };
  }
}

function searchText(item: ToolSearchOutputItem): string {
  const lines: string[] = [];
  for (const tool of item.tools) {
    const { type, name, description, tools } = tool as {
      type: string;
      name?: unknown;
      description?: unknown;
      tools?: unknown;
    };
    if (type !== "namespace" || !Array.isArray(tools)) {
      lines.push(toolLine(flatName(null, String(name ?? type)), description));
      continue;
    }
    for (const member of tools as { name?: unknown; description?: unknown }[]) {
      lines.push(
        toolLine(flatName(String(name ?? ""), String(member.name ?? "")), member.description),
      );
    }
  }
  return lines.length === 0 ? "No tools found." : `Tools found:\n${lines.join("\n")}`;
}

function toolLine(name: string, description: unknown): string {
  return typeof description === "string" && description !== ""
    ? `- ${name}: ${description}`
    : `- ${name}`;
}

function jsonText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value) ?? "";
}
