import { type Json, SynthError } from "@synth/core";
import type { ResponsesRequest, ToolChoiceObject } from "@synth/core/api";
import type { UpstreamProfile } from "../profile.ts";
import { BUILT_INS } from "./built_ins.ts";
import { flatName } from "./flat_name.ts";
import type { ToolBook, ToolEntry } from "./tool_book.ts";

/** What the client's `tool_choice` comes to. */
export interface ChosenTools {
  /** What is sent upstream. */
  readonly offered: readonly ToolEntry[];
  readonly mode: "auto" | "none" | "required" | "named";
  /** The upstream's `tool_choice`; undefined when there is nothing to choose, or nothing was said. */
  readonly choice: Json | undefined;
  /** Tools that may be called; null: all. */
  readonly allowed: ReadonlySet<string> | null;
  /** Added to the system text, for an upstream that does not know the form asked for. */
  readonly hint: string | null;
}

const MUST_CALL = "Answer this turn by calling one of the tools. Do not answer with text alone.";

/**
 * Translates `tool_choice`.
 *
 * @throws {SynthError} 400 `unsupported_tool` for hosted tools, `tool_not_found` for a name that was not declared
 */
export function chooseTools(
  choice: ResponsesRequest["tool_choice"],
  book: ToolBook,
  profile: UpstreamProfile,
): ChosenTools {
  const offered = book.offered();
  if (choice === null || choice === undefined || choice === "auto" || choice === "none") {
    const none = choice === "none";
    return {
      offered,
      mode: none ? "none" : "auto",
      choice: offered.length === 0 ? undefined : choice ?? undefined,
      allowed: none ? new Set() : null,
      hint: null,
    };
  }
  if (choice === "required") {
    if (offered.length === 0) throw noTools(book);
    return { offered, mode: "required", allowed: null, ...required(profile) };
  }
  if (choice.type === "allowed_tools") return chooseAmong(choice, book, offered, profile);
  return chooseOne(find(choice, book, "tool_choice"), offered, profile);
}

/** The upstream's way to say that some tool must be called. */
export function required(profile: UpstreamProfile): { choice: Json; hint: string | null } {
  return profile.toolChoiceRequired === "native"
    ? { choice: "required", hint: null }
    : { choice: "auto", hint: MUST_CALL };
}

function chooseOne(
  entry: ToolEntry,
  offered: readonly ToolEntry[],
  profile: UpstreamProfile,
): ChosenTools {
  const name = entry.upstreamName;
  const tools = offered.includes(entry) ? offered : [...offered, entry];
  const mode = "named";
  if (profile.namedToolChoice === "native") {
    const choice: Json = entry.chat.type === "custom"
      ? { type: "custom", custom: { name } }
      : { type: "function", function: { name } };
    return { offered: tools, mode, choice, allowed: null, hint: null };
  }
  return { offered: [entry], mode, allowed: new Set([name]), ...required(profile) };
}

function chooseAmong(
  choice: ToolChoiceObject,
  book: ToolBook,
  offered: readonly ToolEntry[],
  profile: UpstreamProfile,
): ChosenTools {
  const mode = choice.mode ?? "auto";
  const chosen = new Set<ToolEntry>();
  for (const [index, tool] of (choice.tools ?? []).entries()) {
    if (isCarried(tool.type)) chosen.add(find(tool, book, `tool_choice.tools[${index}]`));
    else book.drop(tool.type);
  }
  const subset = offered.filter((entry) => chosen.has(entry));
  for (const entry of chosen) if (!offered.includes(entry)) subset.push(entry);
  const allowed = new Set(subset.map((entry) => entry.upstreamName));
  if (mode === "required") {
    if (subset.length === 0) throw noTools(book);
    return { offered: subset, mode, allowed, ...required(profile) };
  }
  return {
    offered: subset,
    mode: "auto",
    choice: subset.length === 0 ? undefined : "auto",
    allowed,
    hint: null,
  };
}

function isCarried(type: string): boolean {
  return type === "function" || type === "custom" || type === "tool_search" || BUILT_INS.has(type);
}

function find(
  choice: { type: string; name?: string | null | undefined; namespace?: string | null | undefined },
  book: ToolBook,
  path: string,
): ToolEntry {
  if (!isCarried(choice.type)) {
    throw new SynthError(`tool_choice asks for a hosted tool, which is not carried`, {
      code: "unsupported_tool",
      status: 400,
      param: path,
    });
  }
  const isNamed = choice.type === "function" || choice.type === "custom";
  const name = isNamed ? choice.name ?? "" : choice.type;
  const entry = book.entries.get(isNamed ? flatName(choice.namespace, name) : name);
  if (entry === undefined || (!isNamed && entry.kind !== choice.type)) {
    throw new SynthError(`tool_choice names '${name.slice(0, 64)}', which is not among the tools`, {
      code: "tool_not_found",
      status: 400,
      param: path,
    });
  }
  return entry;
}

function noTools(book: ToolBook): SynthError {
  const dropped = book.dropped;
  return new SynthError("tool_choice requires a call, and no tool is left to call", {
    code: dropped.length > 0 ? "unsupported_tool" : "invalid_value",
    status: 400,
    param: "tool_choice",
    ...(dropped.length > 0 ? { hint: `Hosted tools are not carried: ${dropped.join(", ")}` } : {}),
  });
}
