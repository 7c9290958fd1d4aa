/** Whether two declarations are of one tool. @module */
import type { ResponsesTool } from "@synth/core/api";

/**
 * Compares them as JSON in any order of keys. Whether the tool is loaded yet does not count, nor does a member that is
 * `null` where the other has none.
 */
export function sameDefinition(a: ResponsesTool, b: ResponsesTool): boolean {
  try {
    return canonical(a) === canonical(b);
  } catch {
    // Nested deeper than the stack: nobody can say.
    return false;
  }
}

function canonical(tool: ResponsesTool): string {
  const members = Object.entries(tool).filter(([key, value]) =>
    key !== "defer_loading" && value !== null && value !== undefined
  );
  return JSON.stringify(sorted(Object.fromEntries(members)));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  // Pairs, not an object: integer-like keys and `__proto__` stay what they are.
  return {
    members: Object.entries(value)
      .sort(([one], [other]) => one < other ? -1 : 1)
      .map(([key, member]) => [key, sorted(member)]),
  };
}
