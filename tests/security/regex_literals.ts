/** Finds the regular expressions of a TypeScript source. @module */

/** One literal. */
export interface RegexLiteral {
  readonly source: string;
  readonly flags: string;
}

/** Behind these a slash begins an expression; behind a name, a number or a closing bracket it divides. */
const BEFORE_REGEX =
  /(?:^|[=(,:;!&|?{}[+\-*%~^]|=>|\b(?:return|typeof|case|in|of|void|yield|await))$/;

/** All literals, in their order. */
export function regexLiterals(text: string): RegexLiteral[] {
  const found: RegexLiteral[] = [];
  /** Depth of braces in each open `${`. */
  const templates: number[] = [];
  let code = "";
  let inTemplate = false;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charAt(i);
    if (inTemplate) {
      if (unit === "\\") i++;
      else if (unit === "`") inTemplate = false;
      else if (unit === "$" && text.charAt(i + 1) === "{") {
        inTemplate = false;
        templates.push(0);
        code = "";
        i++;
      }
    } else if (unit === "/" && text.charAt(i + 1) === "/") {
      i = endOf(text, "\n", i);
    } else if (unit === "/" && text.charAt(i + 1) === "*") {
      i = endOf(text, "*/", i + 2) + 1;
    } else if (unit === '"' || unit === "'") {
      i = endOfString(text, i);
      code = '"';
    } else if (unit === "`") {
      inTemplate = true;
      code = '"';
    } else if (unit === "/" && text.charAt(i + 1) !== ">" && BEFORE_REGEX.test(code)) {
      const end = endOfRegex(text, i);
      if (end === -1) continue;
      const flags = /^[a-z]*/.exec(text.slice(end + 1, end + 10))?.[0] ?? "";
      if (!/^[dgimsuvy]*$/.test(flags)) continue;
      found.push({ source: text.slice(i + 1, end), flags });
      i = end + flags.length;
      code = '"';
    } else {
      const depth = templates.at(-1);
      if (depth !== undefined && unit === "}" && depth === 0) {
        templates.pop();
        inTemplate = true;
        code = '"';
        continue;
      }
      if (depth !== undefined && unit === "{") templates[templates.length - 1] = depth + 1;
      if (depth !== undefined && unit === "}") templates[templates.length - 1] = depth - 1;
      if (unit.trim() !== "") code = (code + unit).slice(-12);
      else if (/\w$/.test(code) && !BEFORE_REGEX.test(code)) code += " ";
    }
  }
  return found;
}

function endOf(text: string, mark: string, from: number): number {
  const at = text.indexOf(mark, from);
  return at === -1 ? text.length : at;
}

function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text.charAt(i) === "\\") i++;
    else if (text.charAt(i) === text.charAt(start) || text.charAt(i) === "\n") return i;
  }
  return text.length;
}

function endOfRegex(text: string, start: number): number {
  let inClass = false;
  for (let i = start + 1; i < text.length; i++) {
    const unit = text.charAt(i);
    if (unit === "\n") return -1;
    if (unit === "\\") i++;
    else if (unit === "[") inClass = true;
    else if (unit === "]") inClass = false;
    else if (unit === "/" && !inClass) return i;
  }
  return -1;
}
