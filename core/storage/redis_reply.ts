/** What both Redis transports do with a server's error replies. @module */
import { SynthError } from "../errors.ts";
import { type StoreTrouble, storeUnavailable } from "./unavailable.ts";

const NOT_READY: ReadonlySet<string> = new Set([
  "LOADING",
  "MASTERDOWN",
  "READONLY",
  "CLUSTERDOWN",
  "TRYAGAIN",
  "BUSY",
  "NOREPLICAS",
  "MISCONF",
]);
const AUTH: ReadonlySet<string> = new Set(["NOAUTH", "WRONGPASS", "NOPERM", "WRONGTOKEN"]);

/** Whether an error reply says that EVALSHA met an unknown script. */
export function isNoScript(text: string): boolean {
  return text.startsWith("NOSCRIPT") || text.startsWith("ERR NOSCRIPT");
}

/**
 * The error for a reply in which the server refused a command.
 *
 * States of the server become `store_unavailable`; what is wrong with the command itself becomes `store_error` (500).
 * Only the head of the server's text is kept: the rest can repeat the arguments, which can be secret.
 *
 * @param what the script's or command's name
 * @param text the error reply
 */
export function redisRefusal(what: string, text: string): SynthError {
  const trouble = redisTrouble(text);
  const said = shorten(text);
  if (trouble !== null) return storeUnavailable(`Redis cannot run ${what}: ${said}`, trouble);
  return new SynthError(`Redis refused ${what}: ${said}`, { code: "store_error", status: 500 });
}

/** The state of the server that an error reply tells of; `null` when it is about the command. */
export function redisTrouble(text: string): StoreTrouble | null {
  const word = text.slice(0, 32).split(/[ :]/, 1)[0] ?? "";
  if (NOT_READY.has(word)) return "not_ready";
  if (AUTH.has(word)) return "auth";
  if (word === "OOM") return "full";
  const lower = text.slice(0, 200).toLowerCase();
  if (lower.includes("unauthorized") || lower.includes("invalid password")) return "auth";
  if (lower.includes("limit exceeded") || lower.includes("max number of clients")) return "quota";
  return null;
}

function shorten(text: string): string {
  let head = text.slice(0, 400);
  for (const mark of [", command was", ", with args", " script: ", "\n", "\r"]) {
    const at = head.indexOf(mark);
    if (at >= 0) head = head.slice(0, at);
  }
  return head.slice(0, 160);
}
