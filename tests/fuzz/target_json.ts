/** JSON that strangers wrote, against the engine's own parser. @module */
import fc from "fast-check";
import { decodeUtf8, parseJsonLimited, SynthError } from "@synth/core";
import { nastyJson, nastyText } from "./nasty.ts";
import type { Target } from "./target.ts";

const NAMES = ["a", "b", "__proto__", "constructor", "toString", "\\u005f", ""];
const CODES = new Set([
  "invalid_json",
  "json_too_deep",
  "json_too_many_items",
  "json_unsafe_key",
]);
const MAX_DEPTH = 12;
const MAX_ITEMS = 60;

/** Opens it. */
export function openJson(): Promise<Target<string>> {
  const good = nastyJson(NAMES, 6).map((value) => JSON.stringify(value));
  const bent = fc.tuple(good, fc.nat(200), fc.nat(6), nastyText).map(([text, at, gone, more]) => {
    const place = at % (text.length + 1);
    return text.slice(0, place) + more + text.slice(place + gone);
  });
  const deep = fc.tuple(fc.constantFrom("[", '{"a":', "[{"), fc.nat(30), fc.nat(30)).map(
    ([open, opened, closed]) => open.repeat(opened) + "1" + "]}".repeat(closed),
  );
  const nested = fc.array(fc.constantFrom("[", '{"a":'), { maxLength: 2 * MAX_DEPTH, size: "max" })
    .map((
      opened,
    ) => opened.join("") + "1" + opened.map((one) => one === "[" ? "]" : "}").reverse().join(""));
  const long = fc.nat(2 * MAX_ITEMS).map((length) => JSON.stringify(Array(length).fill(0)));
  const escaped = good.map((text) =>
    text.replaceAll("__proto__", "\\u005f_pr\\u006fto__").replaceAll("p", "\\u0070")
  );
  return Promise.resolve({
    name: "json",
    inputs: fc.oneof(good, bent, deep, nested, long, escaped, nastyText),
    check,
    close: () => Promise.resolve(),
  });
}

function check(text: string): Promise<void> {
  const expected = engine(text);
  try {
    const value = parseJsonLimited(text, { maxDepth: MAX_DEPTH, maxItems: MAX_ITEMS });
    if (expected === undefined) throw new Error("the engine refuses this text");
    if (JSON.stringify(value) !== expected) throw new Error("the value is another");
    if (depthOf(value) > MAX_DEPTH) throw new Error("the value is too deep");
    if (itemsOf(value) > MAX_ITEMS) throw new Error("the value has too many items");
    if (hasProto(value)) throw new Error("an own member is named __proto__");
  } catch (error) {
    if (!(error instanceof SynthError)) throw error;
    if (!CODES.has(error.code)) throw new Error(`code ${error.code}`);
    if (expected !== undefined && error.code === "invalid_json") {
      throw new Error("the engine takes this text");
    }
    // Of names that come twice the engine keeps one: only what it writes again as it was tells all.
    if (expected === text && !isRefusable(JSON.parse(text), error.code)) {
      throw new Error(`nothing calls for ${error.code}`);
    }
    const { position } = error.details;
    if (position !== undefined && !(Number(position) >= 0 && Number(position) <= text.length)) {
      throw new Error(`position ${position} of ${text.length}`);
    }
    if (error.code === "invalid_json") checkPosition(text, Number(position));
  }
  const bytes = new TextEncoder().encode(text);
  const decoded = decodeUtf8(bytes);
  if (decoded !== text.toWellFormed().replace(/^\uFEFF/, "")) throw new Error("UTF-8 differs");
  return Promise.resolve();
}

/** Up to the fault the text is the beginning of some JSON text: what stands there can be changed into something good. */
function checkPosition(text: string, position: number): void {
  const before = engine(text.slice(0, position));
  if (before !== undefined && /^[ \t\r\n]*$/.test(text.slice(position)) && position < text.length) {
    throw new Error(`nothing is wrong at ${position}`);
  }
}

function engine(text: string): string | undefined {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

/** Containers, and what stands behind a comma in one. */
function itemsOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const members = Object.values(value);
  return members.reduce(
    (sum: number, one) => sum + itemsOf(one),
    1 + Math.max(0, members.length - 1),
  );
}

/** Whether a text of this value may be refused with this code. */
function isRefusable(value: unknown, code: string): boolean {
  if (code === "json_too_deep") return depthOf(value) > MAX_DEPTH;
  if (code === "json_too_many_items") return itemsOf(value) > MAX_ITEMS;
  return code === "json_unsafe_key" && hasProto(value);
}

function hasProto(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Object.hasOwn(value, "__proto__") || Object.values(value).some(hasProto);
}
