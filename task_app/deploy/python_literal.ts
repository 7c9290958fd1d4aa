/** Values as Python writes them. @module */

/** A string literal of ASCII alone: whatever the text holds, it ends where it ends. */
export function pythonString(text: string): string {
  let literal = '"';
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (character === '"' || character === "\\") literal += `\\${character}`;
    else if (code >= 0x20 && code < 0x7f) literal += character;
    else if (code > 0xffff) literal += `\\U${code.toString(16).padStart(8, "0")}`;
    else literal += `\\u${code.toString(16).padStart(4, "0")}`;
  }
  return `${literal}"`;
}

/** A list of string literals. */
export function pythonStrings(texts: readonly string[]): string {
  return `[${texts.map(pythonString).join(", ")}]`;
}

/** A float literal. */
export function pythonFloat(value: number): string {
  const text = String(value);
  return /^-?[0-9]+$/.test(text) ? `${text}.0` : text;
}
