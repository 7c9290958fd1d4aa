import { assertEquals, assertThrows } from "@std/assert";
import { SynthError } from "@synth/core";
import { absolute, findPaths } from "./paths.ts";

function linux(env: Record<string, string>): Parameters<typeof findPaths>[0] {
  return { env, cwd: "/srv", os: "linux" };
}

Deno.test("findPaths takes --home, then SYNTH_HOME, then the user's directories", () => {
  const env = { HOME: "/home/me", SYNTH_HOME: "/s" };
  assertEquals(findPaths(linux(env), "h").home, "/srv/h");
  assertEquals(findPaths(linux(env)).userConfig, "/s/synth.toml");
  const own = findPaths(linux({ HOME: "/home/me", SYNTH_HOME: "" }));
  assertEquals(own.home, "/home/me/.local/share/synth");
  assertEquals(own.userConfig, "/home/me/.config/synth/synth.toml");
  const xdg = findPaths(linux({ HOME: "/h", XDG_DATA_HOME: "/d", XDG_CONFIG_HOME: "/c" }));
  assertEquals([xdg.home, xdg.userConfig], ["/d/synth", "/c/synth/synth.toml"]);
  assertThrows(() => findPaths(linux({})), SynthError, "no home directory");
});

Deno.test("findPaths knows the other systems", () => {
  const mac = findPaths({ env: { HOME: "/Users/me" }, cwd: "/", os: "darwin" });
  assertEquals(mac.home, "/Users/me/Library/Application Support/synth");
  const env = { LOCALAPPDATA: "C:\\L", APPDATA: "C:\\R" };
  const windows = findPaths({ env, cwd: "C:\\w", os: "windows" });
  assertEquals([windows.home, windows.userConfig], ["C:\\L\\synth", "C:\\R\\synth\\synth.toml"]);
});

Deno.test("absolute resolves against the working directory", () => {
  assertEquals(absolute(linux({}), "./a"), "/srv/a");
  assertEquals(absolute(linux({}), "../a/./b"), "/a/b");
  assertEquals(absolute(linux({}), "/a"), "/a");
  const windows = { cwd: "C:\\w", os: "windows" } as const;
  assertEquals(absolute(windows, "D:\\a"), "D:\\a");
  assertEquals(absolute(windows, "a"), "C:\\w\\a");
});
