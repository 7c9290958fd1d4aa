/** The real Chromium, driven with playwright-core. @module */
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
/** No sandbox: CI is a container. The rest keeps the browser from talking to anybody but the gateway. */
const ARGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A page, and all that its console and its failed requests said. */
export interface WatchedPage {
  readonly page: Page;
  readonly complaints: string[];
}

/** How {@linkcode OpenBrowser.open} opens a page. */
export type PageOptions = NonNullable<Parameters<Browser["newContext"]>[0]>;

/** A browser that ends with the test. */
export interface OpenBrowser extends AsyncDisposable {
  /** A page in a profile of its own, empty. */
  open(options?: PageOptions): Promise<WatchedPage & { readonly context: BrowserContext }>;
}

/** Starts it. `SYNTH_TEST_CHROMIUM` names the program where it is not on PATH. */
export async function openBrowser(): Promise<OpenBrowser> {
  const executablePath = await findChromium();
  // Without a persistent context every browser context is a profile of its own, in memory.
  const browser = await chromium.launch({ executablePath, args: ARGS, headless: true });
  return {
    async open(options = {}) {
      const context = await browser.newContext(options);
      const page = await context.newPage();
      page.setDefaultTimeout(20_000);
      const complaints: string[] = [];
      page.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) complaints.push(message.text());
      });
      page.on("pageerror", (error) => complaints.push(String(error)));
      return { page, context, complaints };
    },
    [Symbol.asyncDispose]: () => browser.close(),
  };
}

async function findChromium(): Promise<string> {
  const named = Deno.env.get("SYNTH_TEST_CHROMIUM");
  if (named) return named;
  for (const dir of (Deno.env.get("PATH") ?? "").split(":")) {
    for (const name of NAMES) {
      const path = `${dir}/${name}`;
      if (await Deno.stat(path).then(({ isFile }) => isFile, () => false)) return path;
    }
  }
  throw new Error(
    `Chromium is not on PATH (${NAMES.join(", ")}): install it, or set SYNTH_TEST_CHROMIUM`,
  );
}
