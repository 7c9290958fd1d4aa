/**
 * Every regular expression of the code base over long runs (CVE-2026-69207: ReDoS in a CORS check). They are found in the sources, and run in
 * a worker that is ended when one does not come back. What backtracks needs seconds or centuries for these inputs, what is linear
 * a few milliseconds: the bound lies two orders away from either.
 */
import { assert, assertEquals } from "@std/assert";
import { redactText } from "@synth/core";
import { regexLiterals } from "./regex_literals.ts";

const PACKAGES = ["core", "task_app", "gateway", "cli"];
/** Units of the longest run: a quadratic expression takes a second for it. */
const LENGTH = 40_000;
const BOUND_MS = 250;
const STUCK_MS = 20_000;

/** Quadratic at worst, and never given a long text by a stranger. */
const SHORT_TEXTS = new Map([
  ["/=+$/", "the end of base64 that was made here"],
  ["/\\/+$/", "URLs: in the registry of at most 2048 characters, else the operator's"],
  ["/\\.?0+$/", "a number with nine decimals"],
  ["/\\B(?=(?:\\d{3})+$)/g", "a number on the dashboard"],
]);

interface Found {
  readonly file: string;
  readonly source: string;
  readonly flags: string;
}

async function literals(): Promise<Found[]> {
  const found = new Map<string, Found>();
  async function look(directory: URL): Promise<void> {
    for await (const { name, isDirectory } of Deno.readDir(directory)) {
      if (isDirectory && !["testing", "testdata", "node_modules"].includes(name)) {
        await look(new URL(`${name}/`, directory));
      } else if (/\.tsx?$/.test(name) && !/_test\.tsx?$/.test(name)) {
        const file = new URL(name, directory);
        for (const { source, flags } of regexLiterals(await Deno.readTextFile(file))) {
          found.set(`/${source}/${flags}`, { file: file.pathname, source, flags });
        }
      }
    }
  }
  for (const room of PACKAGES) await look(new URL(`../../${room}/`, import.meta.url));
  return [...found.values()];
}

Deno.test("regexLiterals finds expressions and nothing else", () => {
  const source = String.raw`
    const a = /x[/"]y/g; // not /this/
    const b = 1 / 2 / 3; const c = "/no/"; const d = ${"`/no/ ${ /in/.test(x) } /no/`"};
    if (/^a\/b$/i.test(s)) return /end/; /* nor /that/ */ f(y) / 2; list.map((z) => /q/.exec(z));
  `;
  assertEquals(regexLiterals(source).map(({ source, flags }) => `${source} ${flags}`), [
    'x[/"]y g',
    "in ",
    "^a\\/b$ i",
    "end ",
    "q ",
  ]);
});

Deno.test("no regular expression backtracks over long runs (CVE-2026-69207)", async () => {
  const all = await literals();
  assert(all.length > 150, `only ${all.length} expressions were found`);
  // Those that are known wait for no run.
  const unknown = all.filter(({ source, flags }) => !SHORT_TEXTS.has(`/${source}/${flags}`));
  assertEquals(all.length - unknown.length, SHORT_TEXTS.size);
  assertEquals(await slowOnes(unknown), []);
});

Deno.test("the bound on regular expressions notices what backtracks", async () => {
  const bad = ["^(a+)+$", "(?:x|xx)*y", "\\s+$"].map((source) => ({ file: "", source, flags: "" }));
  for (const one of bad) assertEquals(await slowOnes([one], 1000), [`/${one.source}/`]);
});

Deno.test("redactText is linear over long runs of what its patterns look for", () => {
  const pumps = [
    "sk-",
    "Bearer ",
    "eyJ",
    "eyJaaaaaaaaa.",
    "a=",
    "://",
    "-----BEGIN ",
    "&key=",
    'token: "',
    '\\"',
    "basic A",
  ];
  // Of letters, digits, _ and / alone only keys are looked for: with a mark before it every pattern is tried.
  for (const [pump, before] of pumps.flatMap((one) => [[one, ""], [one, "! "]] as const)) {
    const text = before + pump.repeat(Math.ceil(200_000 / pump.length));
    let best = Infinity;
    for (let tried = 0; tried < 3; tried++) {
      const begun = performance.now();
      redactText(text);
      best = Math.min(best, performance.now() - begun);
    }
    assert(best < 2000, `${pump}: ${best} ms`);
  }
});

/** The expressions that are slow on some run. Stops at one that never comes back. */
async function slowOnes(all: readonly Found[], stuckMs = STUCK_MS): Promise<string[]> {
  const code = `
    const { all, length, bound } = await new Promise((resolve) => {
      self.onmessage = ({ data }) => resolve(data);
    });
    const slow = [];
    const pumps = ["a", "A", "0", " ", "\\t", "\\n", "-", "_", ".", "/", "\\\\", ":", ",", ";", "=", "'", "ab", "a ", "a.", "a,", "0.", "//", "()", "[]", "{}", "<a", "x=", "&a=", "%2", "\\u00e9", "\\ud83d"];
    for (const { source, flags } of all) {
      const name = "/" + source + "/" + flags;
      self.postMessage({ at: name });
      const words = source.match(/[A-Za-z0-9_]{2,20}/g) ?? [];
      const own = [...new Set(source.replace(/\\\\[bBdDsSwWux]/g, "").match(/[^\\\\()[\\]{}|?*+^$]/g) ?? [])].slice(0, 12);
      const starts = ["", (source.match(/[A-Za-z0-9"'<:-]{1,20}/) ?? [""])[0]];
      const regex = new RegExp(source, flags);
      outer: for (const pump of new Set([...pumps, ...own, ...words.slice(0, 12)])) {
        for (const start of starts) {
          for (const end of ["", "\\u0001", "!\\n"]) {
            const run = (units) => start + pump.repeat(Math.ceil(units / pump.length)) + end;
            // A short run first: what is quick there cannot be slow on the long one.
            const short = run(length / 10);
            const first = performance.now();
            short.replace(regex, "");
            if (performance.now() - first < bound / 150) continue;
            const text = run(length);
            let best = Infinity;
            for (let tried = 0; tried < 3 && best > bound; tried++) {
              const begun = performance.now();
              text.replace(regex, "");
              best = Math.min(best, performance.now() - begun);
            }
            if (best > bound) { slow.push(name); break outer; }
          }
        }
      }
    }
    self.postMessage({ slow });
  `;
  const url = `data:application/javascript,${encodeURIComponent(code)}`;
  const worker = new Worker(url, { type: "module" });
  const { promise, resolve, reject } = Promise.withResolvers<string[]>();
  let at = "";
  let timer: ReturnType<typeof setTimeout> | undefined;
  const watch = () => {
    clearTimeout(timer);
    timer = setTimeout(() => resolve([at]), stuckMs);
  };
  worker.onmessage = ({ data }) => {
    watch();
    if (data.slow !== undefined) resolve(data.slow);
    else at = data.at;
  };
  worker.onerror = (event) => reject(new Error(event.message));
  worker.postMessage({ all, length: LENGTH, bound: BOUND_MS });
  watch();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    worker.terminate();
  }
}
