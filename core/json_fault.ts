/** Where a text stops being JSON. Slow, and only for texts that the engine's parser has refused. @module */

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const LITERAL = /true|false|null/y;
const SPACE = /[ \t\n\r]*/y;
const HEX = /[0-9a-fA-F]{4}/y;

/** The index (in UTF-16 code units) of the first unit that cannot stand there; the length of the text when it ends too early. */
export function findFault(text: string): number {
  const open: ("{" | "[")[] = [];
  let at = match(SPACE, text, 0);
  while (true) {
    // Here a value must begin.
    const first = text.charAt(at);
    if (first === "{" || first === "[") {
      at = match(SPACE, text, at + 1);
      if (text.charAt(at) !== (first === "{" ? "}" : "]")) {
        open.push(first);
        if (first === "[") continue;
        const value = afterKey(text, at);
        if (value < 0) return ~value;
        at = value;
        continue;
      }
      at++;
    } else {
      const end = first === '"' ? endOfText(text, at) : endOfScalar(text, at);
      if (end < 0) return ~end;
      at = end;
    }
    // Here a value has ended.
    while (true) {
      at = match(SPACE, text, at);
      const inside = open.at(-1);
      if (inside === undefined) return at;
      const unit = text.charAt(at);
      if (unit === ",") break;
      if (unit !== (inside === "{" ? "}" : "]")) return at;
      open.pop();
      at++;
    }
    at = match(SPACE, text, at + 1);
    if (open.at(-1) === "{") {
      const value = afterKey(text, at);
      if (value < 0) return ~value;
      at = value;
    }
  }
}

/** Where the value of the member that begins at `at` begins; `~fault` when there is none. */
function afterKey(text: string, at: number): number {
  if (text.charAt(at) !== '"') return ~at;
  const end = endOfText(text, at);
  if (end < 0) return end;
  const colon = match(SPACE, text, end);
  return text.charAt(colon) === ":" ? match(SPACE, text, colon + 1) : ~colon;
}

function endOfScalar(text: string, at: number): number {
  const end = Math.max(match(NUMBER, text, at), match(LITERAL, text, at));
  return end === at ? ~at : end;
}

function endOfText(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === 34) return i + 1;
    if (unit < 32) return ~i;
    if (unit !== 92) continue;
    const escaped = text.charAt(++i);
    if (escaped === "u") {
      const end = match(HEX, text, i + 1);
      if (end === i + 1) return ~end;
      i = end - 1;
    } else if (escaped === "" || !'"\\/bfnrt'.includes(escaped)) return ~i;
  }
  return ~text.length;
}

/** Where a sticky pattern ends when it is tried at `at`; `at` when it does not fit. */
function match(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}
