import { assertEquals, assertStringIncludes } from "@std/assert";
import type { CliContext } from "../context.ts";
import { VERSION } from "../version.ts";
import { noticeUpdate } from "./notice.ts";
import { isNewer, isVersion, readUpdateFile, writeUpdateFile } from "./update_file.ts";
import { wantsNotice } from "./wants_notice.ts";

const DAY = 86_400_000;

function contextWith(
  env: Record<string, string>,
  isTerminal = true,
): { context: CliContext; said: string[] } {
  const said: string[] = [];
  const stream = {
    write: (text: string) => void said.push(text),
    getColorDepth: () => 1,
    isTerminal,
    columns: () => null,
    gone: () => false,
  };
  const process = { stdout: stream, stderr: stream, env, exitCode: null };
  return { context: { name: "synth", env, cwd: "/", os: "linux", process }, said };
}

Deno.test("wantsNotice hears a terminal and the switches", () => {
  const wants = (env: Record<string, string>, terminal = true): boolean =>
    wantsNotice(contextWith(env, terminal).context);
  assertEquals([wants({}), wants({}, false)], [true, false]);
  for (const name of ["CI", "NO_UPDATE_NOTIFIER", "SYNTH_OFFLINE"]) {
    assertEquals([wants({ [name]: "true" }), wants({ [name]: "1" })], [false, false], name);
    assertEquals([wants({ [name]: "" }), wants({ [name]: "false" })], [true, true], name);
  }
});

Deno.test("noticeUpdate asks once a day and tells once a day", async () => {
  const home = await Deno.makeTempDir();
  const file = `${home}/update.json`;
  const { context, said } = contextWith({ SYNTH_HOME: home });
  let asked = 0;
  const at = (time: number): Promise<void> =>
    noticeUpdate(context, { now: () => time }, () => Promise.resolve(++asked > 0));
  const start = 100 * DAY;
  await at(start);
  await at(start + 1);
  assertEquals([asked, said.length], [1, 0]);
  await writeUpdateFile(file, { ...await readUpdateFile(file), latest: "99.0.0" });
  await at(start + 2);
  await at(start + 3);
  assertEquals([asked, said.length], [1, 1]);
  assertStringIncludes(said[0] ?? "", `note: synth 99.0.0 is out, this is ${VERSION}.`);
  await at(start + 2 + DAY);
  assertEquals([asked, said.length], [2, 2]);
  await writeUpdateFile(file, { ...await readUpdateFile(file), latest: VERSION });
  await at(start + 9 * DAY);
  // The clock was set back.
  await at(start);
  assertEquals([asked, said.length], [4, 2]);
  await Deno.remove(home, { recursive: true });
});

Deno.test("noticeUpdate makes no directory, asks nobody without one, and never fails", async () => {
  const home = await Deno.makeTempDir();
  let asked = 0;
  const ask = (): Promise<boolean> => Promise.resolve(++asked > 0);
  await noticeUpdate(contextWith({ SYNTH_HOME: `${home}/none` }).context, { now: () => DAY }, ask);
  await noticeUpdate(contextWith({}).context, { now: () => DAY }, ask);
  assertEquals([asked, await Deno.stat(`${home}/none`).catch(() => null)], [0, null]);
  const { context, said } = contextWith({ SYNTH_HOME: home });
  for (const text of ["", "[]", "null", '{"latest":"\\u001b[31m9.9.9","asked_at":"x"}']) {
    await Deno.writeTextFile(`${home}/update.json`, text);
    await noticeUpdate(context, { now: () => DAY }, ask);
  }
  assertEquals([asked, said], [4, []]);
  await noticeUpdate(context, { now: () => 3 * DAY }, () => Promise.reject(new Error("no")));
  await Deno.remove(home, { recursive: true });
});

Deno.test("isNewer compares numbers, isVersion takes released versions alone", () => {
  assertEquals(isNewer("0.10.0", "0.9.9"), true);
  assertEquals(isNewer("0.9.9", "0.10.0"), false);
  assertEquals(isNewer("1.0.0", "1.0.0"), false);
  assertEquals(["1.2.3", "1.2.3-rc.1", "1.2", "latest"].map(isVersion), [
    true,
    false,
    false,
    false,
  ]);
});
