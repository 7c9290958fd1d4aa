import { assertEquals, assertNotEquals } from "@std/assert";
import { parseProcStat, parsePs, systemProcesses } from "./process_identity.ts";

const REST = "1 2 3 0 -1 4194304 5 6 7 8 9 10 11 12 20 0 1 0 987654 1 2";

Deno.test("parseProcStat finds the start behind a name that holds brackets and spaces", () => {
  const seen = parseProcStat(`42 (a) R (b ) S ${REST}`, "boot");
  assertEquals(seen, { started: "boot:987654", dead: false });
});

Deno.test("parseProcStat tells a process that only waits for its parent from one that runs", () => {
  assertEquals(parseProcStat(`42 (x) Z ${REST}`, "boot")?.dead, true);
  assertEquals(parseProcStat("42 (x) S 1", "boot"), null);
});

Deno.test("parsePs reads what macOS prints", () => {
  assertEquals(parsePs("S    Sat Nov 22 03:15:54 2026\n"), {
    started: "Sat Nov 22 03:15:54 2026",
    dead: false,
  });
  assertEquals(parsePs("Z+ Sat Nov 22 03:15:54 2026")?.dead, true);
  assertEquals(parsePs(""), null);
});

Deno.test("systemProcesses knows its own process and not another of the same number", async () => {
  const own = await systemProcesses.identify(Deno.pid);
  if (Deno.build.os === "windows") {
    assertEquals(await systemProcesses.state(own), "unknown");
    return;
  }
  assertNotEquals(own.pid_started, null);
  assertEquals(await systemProcesses.state(own), "running");
  assertEquals(await systemProcesses.state({ ...own, pid_started: "earlier" }), "gone");
  assertEquals(await systemProcesses.state({ ...own, pid_started: null }), "unknown");
  assertEquals(await systemProcesses.state({ ...own, pid_scope: "elsewhere" }), "unknown");
});
