/** All targets, by name. @module */
import type { OpenTarget } from "./target.ts";
import { openHttp } from "./target_http.ts";
import { openJson } from "./target_json.ts";
import { openLedger } from "./target_ledger.ts";
import { openSse } from "./target_sse.ts";
import { openToml } from "./target_toml.ts";
import { openTranslator } from "./target_translator.ts";

/** What `deno task fuzz --target` takes. */
export const TARGETS: ReadonlyMap<string, OpenTarget> = new Map<string, OpenTarget>([
  ["translator", openTranslator as OpenTarget],
  ["sse", openSse as OpenTarget],
  ["json", openJson as OpenTarget],
  ["toml", openToml as OpenTarget],
  ["ledger", openLedger as OpenTarget],
  ["http", openHttp as OpenTarget],
]);
