import { assertEquals, assertThrows } from "@std/assert";
import { SynthError } from "@synth/core";
import { findOpenPorts, parsePortRange } from "./port_scan.ts";

Deno.test("parsePortRange reads a range and a single port", () => {
  assertEquals(parsePortRange("8000:8100"), { first: 8000, last: 8100 });
  assertEquals(parsePortRange(" 1 : 65535 "), { first: 1, last: 65535 });
  assertEquals(parsePortRange("8080"), { first: 8080, last: 8080 });
});

Deno.test("parsePortRange refuses what is no range", () => {
  for (
    const text of [
      "invalid",
      "",
      ":",
      "8000:",
      "8000:x",
      "1:2:3",
      "-1:5",
      "8000.5",
      "0:100",
      "8000:70000",
      "9000:8000",
    ]
  ) {
    const error = assertThrows(() => parsePortRange(text), SynthError);
    assertEquals(error.code, "invalid_port_range", text);
    assertEquals(error.exitCode, 2, text);
  }
  assertThrows(() => parsePortRange("invalid"), SynthError, "Invalid port range format");
});

Deno.test("findOpenPorts names the host that answered, in the order of the ports", async () => {
  const open = new Set(["127.0.0.1 8003", "::1 8001", "127.0.0.1 8001", "::1 8002"]);
  const found = await findOpenPorts(
    { first: 8000, last: 8004 },
    (host, port) => Promise.resolve(open.has(`${host} ${port}`)),
    new AbortController().signal,
  );
  assertEquals(found, [
    { port: 8001, url: "http://localhost:8001" },
    { port: 8002, url: "http://[::1]:8002" },
    { port: 8003, url: "http://localhost:8003" },
  ]);
});

Deno.test("findOpenPorts starts no connection once it is aborted", async () => {
  const controller = new AbortController();
  let connections = 0;
  await findOpenPorts({ first: 1, last: 65_535 }, () => {
    if (++connections === 200) controller.abort();
    return Promise.resolve(false);
  }, controller.signal);
  assertEquals(connections < 600, true);
});
