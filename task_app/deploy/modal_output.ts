/** Reads what the Modal CLI prints. @module */

/** What its output told. */
export interface ModalOutput {
  /** Web addresses, in the order in which they were printed. */
  readonly urls: readonly string[];
  /** Id of the app, `ap-` and 22 characters. */
  readonly appId: string | null;
  /** Name of the app that was deployed. */
  readonly deployedName: string | null;
}

const URL_IN_TEXT =
  /https:\/\/[a-z0-9](?:[a-z0-9-]{0,200}[a-z0-9])?\.modal\.run(?![a-z0-9-]|\.[a-z0-9])/gi;
const DEPLOYED = /\/deployed\/([A-Za-z0-9._-]{1,64})/;
const APP_ID = /\bap-[A-Za-z0-9]{22}\b/;
// deno-lint-ignore no-control-regex -- colours and links of a terminal
const ESCAPES = /\x1b(?:\[[0-9;?]{0,32}[a-zA-Z]|\][^\x07\x1b]{0,2048}(?:\x07|\x1b\\))/g;

/** Finds the addresses and the app's id. */
export function readModalOutput(text: string): ModalOutput {
  const plain = text.replace(ESCAPES, "");
  const urls = new Set((plain.match(URL_IN_TEXT) ?? []).map((url) => url.toLowerCase()));
  return {
    urls: [...urls],
    appId: APP_ID.exec(plain)?.[0] ?? null,
    deployedName: DEPLOYED.exec(plain)?.[1] ?? null,
  };
}

/** The state of an app in `modal app list --json`; `null` when it is not there, `undefined` when the text is no such list. */
export function readModalState(text: string, nameOrId: string): string | null | undefined {
  let rows: unknown;
  try {
    rows = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(rows)) return undefined;
  let state: string | null = null;
  for (const row of rows) {
    if (typeof row !== "object" || row === null) continue;
    const cells = new Map(
      Object.entries(row).map(([key, value]) => [key.toLowerCase().replace(/[^a-z]/g, ""), value]),
    );
    const named = cells.get("appid") === nameOrId || cells.get("description") === nameOrId ||
      cells.get("name") === nameOrId;
    const told = cells.get("state");
    if (!named || typeof told !== "string") continue;
    // An app that was stopped may stand beside one of the same name that runs.
    if (state === null || isModalStateUp(told)) state = told;
  }
  return state;
}

/** Whether an app of this state answers. */
export function isModalStateUp(state: string): boolean {
  return state === "deployed" || state.startsWith("ephemeral");
}
