import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { SynthError } from "./errors.ts";
import {
  consoleWidth,
  createPrivateFile,
  dataDirectory,
  hasDeno,
  isProcessAlive,
  isTerminal,
  makePrivateDirectory,
  memoryUse,
  onSignal,
  processId,
  readEnv,
  readTextFile,
  replacePrivateFile,
} from "./platform.ts";

const UNIX = Deno.build.os !== "windows";

async function inDirectory(fn: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await fn(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function modeOf(path: string): Promise<number> {
  return ((await Deno.stat(path)).mode ?? 0) & 0o777;
}

function listOf(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map((entry) => entry.name).sort();
}

Deno.test("dataDirectory follows SYNTH_HOME, then the platform", () => {
  const cases: [os: string, env: Record<string, string>, path: string][] = [
    ["linux", { SYNTH_HOME: "/s", HOME: "/h" }, "/s"],
    ["linux", { SYNTH_HOME: "", HOME: "/h" }, "/h/.local/share/synth"],
    ["linux", { XDG_DATA_HOME: "/x", HOME: "/h" }, "/x/synth"],
    ["linux", { XDG_DATA_HOME: "rel", HOME: "/h" }, "/h/.local/share/synth"],
    ["darwin", { HOME: "/h", XDG_DATA_HOME: "/x" }, "/h/Library/Application Support/synth"],
    ["windows", { LOCALAPPDATA: "C:\\L" }, "C:\\L\\synth"],
    ["windows", { USERPROFILE: "C:\\U" }, "C:\\U\\AppData\\Local\\synth"],
  ];
  for (const [os, env, path] of cases) {
    const known = new Map(Object.entries(env));
    assertEquals(dataDirectory({ os, env: (name) => known.get(name) }), path);
  }
  const error = assertThrows(
    () => dataDirectory({ os: "linux", env: () => undefined }),
    SynthError,
  );
  assertEquals(error.code, "no_home");
});

Deno.test("makePrivateDirectory makes what is missing for the owner alone", async () => {
  await inDirectory(async (directory) => {
    const path = `${directory}/a/b`;
    await makePrivateDirectory(path);
    await makePrivateDirectory(path);
    if (UNIX) assertEquals([await modeOf(path), await modeOf(`${directory}/a`)], [0o700, 0o700]);
    assert((await Deno.stat(path)).isDirectory);
  });
});

Deno.test("createPrivateFile creates once, whole and private", async () => {
  await inDirectory(async (directory) => {
    const path = `${directory}/key`;
    const texts = Array.from({ length: 20 }, (_, i) => `${i}`.repeat(10_000));
    const won = await Promise.all(texts.map((text) => createPrivateFile(path, text)));
    assertEquals(won.filter(Boolean).length, 1);
    assertEquals(await Deno.readTextFile(path), texts[won.indexOf(true)]);
    if (UNIX) assertEquals(await modeOf(path), 0o600);
    assertEquals(listOf(directory), ["key"]);
  });
});

Deno.test("createPrivateFile does not follow a link that was planted", async () => {
  if (!UNIX) return;
  await inDirectory(async (directory) => {
    await Deno.writeTextFile(`${directory}/target`, "old");
    await Deno.symlink(`${directory}/target`, `${directory}/key`);
    assertEquals(await createPrivateFile(`${directory}/key`, "new"), false);
    assertEquals(await Deno.readTextFile(`${directory}/target`), "old");
  });
});

Deno.test("replacePrivateFile replaces, also what was readable by all", async () => {
  await inDirectory(async (directory) => {
    const path = `${directory}/file`;
    await Deno.writeTextFile(path, "old", { mode: 0o644 });
    await replacePrivateFile(path, new Uint8Array([110, 101, 119]));
    assertEquals(await readTextFile(path), "new");
    if (UNIX) assertEquals(await modeOf(path), 0o600);
    await replacePrivateFile(path, "");
    assertEquals(await readTextFile(path), "");
    assertEquals(listOf(directory), ["file"]);
  });
});

Deno.test("createPrivateFile and replacePrivateFile leave nothing behind when they fail", async () => {
  await inDirectory(async (directory) => {
    await assertRejects(
      () => createPrivateFile(`${directory}/none/key`, "x"),
      Deno.errors.NotFound,
    );
    await Deno.mkdir(`${directory}/taken`);
    await Deno.mkdir(`${directory}/taken/child`);
    await assertRejects(() => replacePrivateFile(`${directory}/taken`, "x"));
    assertEquals(listOf(directory), ["taken"]);
  });
});

Deno.test("readTextFile gives undefined for a file that is not there", async () => {
  await inDirectory(async (directory) => {
    assertEquals(await readTextFile(`${directory}/none`), undefined);
    await assertRejects(() => readTextFile(directory));
  });
});

Deno.test("readEnv reads a variable or nothing", () => {
  const name = "SYNTH_PLATFORM_TEST";
  assertEquals(readEnv(name), undefined);
  Deno.env.set(name, "1");
  assertEquals(readEnv(name), "1");
  Deno.env.delete(name);
});

Deno.test("isProcessAlive tells a running process from one that has ended", async () => {
  const child = new Deno.Command(Deno.execPath(), { args: ["eval", ""], stdin: "null" }).spawn();
  await child.status;
  assertEquals(isProcessAlive(child.pid), false);
  assertEquals(isProcessAlive(processId()), true);
  for (const pid of [0, -1, 1.5, NaN]) assertEquals(isProcessAlive(pid), false);
});

Deno.test("onSignal takes a signal in place of its default, until it is undone", async () => {
  if (!UNIX) return;
  const got = Promise.withResolvers<string>();
  // A listener alone does not keep the process alive.
  const late = setTimeout(() => got.reject(new Error("no signal came")), 10_000);
  const undo = onSignal(["SIGINT", "SIGTERM"], got.resolve);
  Deno.kill(processId(), "SIGTERM");
  assertEquals(await got.promise, "SIGTERM");
  clearTimeout(late);
  undo();
  undo();
});

Deno.test("isTerminal and consoleWidth answer without a terminal too", () => {
  assertEquals(typeof isTerminal("stdout"), "boolean");
  const width = consoleWidth();
  assert(width === undefined || width > 0);
});

Deno.test("platform can be imported and asked without Deno", async () => {
  // A worker whose Deno is taken away before the import.
  const module = new URL("./platform.ts", import.meta.url).href;
  const source = `
    delete globalThis.Deno;
    const platform = await import(${JSON.stringify(module)});
    let code = "";
    for (const fn of [platform.readTextFile, platform.createPrivateFile, platform.replacePrivateFile, platform.makePrivateDirectory]) {
      try { await fn("x", "y"); } catch (error) { code += error.code + " "; }
    }
    self.postMessage([platform.hasDeno(), platform.readEnv("HOME") ?? null, platform.consoleWidth() ?? null, platform.isTerminal("stdout"), code]);
  `;
  const worker = new Worker(`data:text/javascript,${encodeURIComponent(source)}`, {
    type: "module",
  });
  const answer = Promise.withResolvers<unknown>();
  worker.onmessage = (event) => answer.resolve(event.data);
  worker.onerror = (event) => {
    event.preventDefault();
    answer.reject(new Error(event.message));
  };
  assertEquals(await answer.promise, [false, null, null, false, "platform_unsupported ".repeat(4)]);
  worker.terminate();
  assert(hasDeno());
});

Deno.test("memoryUse tells what the process holds", () => {
  const use = memoryUse();
  assert(use !== undefined && use.residentBytes >= use.heapBytes && use.heapBytes > 0);
});
