/** Which declared tool an upstream means by a name. @module */
import type { ToolBinding } from "../plan.ts";

type Tools = ReadonlyMap<string, ToolBinding>;

/**
 * The tool of that name. Models trained on other formats decorate names (`functions.f`, `ns.f`, spaces around it):
 * such a name is only taken when it is no tool's own.
 */
export function findTool(tools: Tools, name: string): ToolBinding | undefined {
  const exact = tools.get(name);
  if (exact !== undefined) return exact;
  const bare = name.trim().replace(/^functions\./, "");
  return tools.get(bare) ?? tools.get(bare.replaceAll(".", "__"));
}

/** Whether the name is declared and cannot be the beginning of another declared name. */
export function isUnambiguous(tools: Tools, name: string): boolean {
  if (!tools.has(name)) return false;
  for (const other of tools.keys()) {
    if (other.length > name.length && other.startsWith(name)) return false;
  }
  return true;
}

/** Puts a name that comes in fragments, repeatedly or cumulatively together. */
export function joinName(tools: Tools, sofar: string, piece: string): string {
  if (sofar === "" || piece === sofar) return piece;
  const joined = sofar + piece;
  if (!piece.startsWith(sofar) || tools.has(joined)) return joined;
  return piece;
}
