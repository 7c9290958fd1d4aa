import { assertEquals } from "@std/assert";
import { formatTraceParent, parseTraceParent } from "./trace_parent.ts";

const TRACE = "4d59b822194918c2c45eeb8f9b06c556";
const SPAN = "c785f154f344d582";

Deno.test("parseTraceParent reads what formatTraceParent writes", () => {
  for (const flags of ["00", "01"]) {
    const header = `00-${TRACE}-${SPAN}-${flags}`;
    const parent = parseTraceParent(header);
    assertEquals(parent?.isRemote, true);
    assertEquals(parent === null ? null : formatTraceParent(parent), header);
  }
});

Deno.test("parseTraceParent refuses what is not valid", () => {
  for (
    const header of [
      null,
      "",
      `01-${TRACE}-${SPAN}-01`,
      `00-${"0".repeat(32)}-${SPAN}-01`,
      `00-${TRACE}-${"0".repeat(16)}-01`,
      `00-${TRACE.toUpperCase()}-${SPAN}-01`,
      `00-${TRACE}-${SPAN}-01-more`,
      `00-${TRACE}-${SPAN}-01\n`,
      `00-${TRACE}`,
    ]
  ) assertEquals(parseTraceParent(header), null, String(header));
});
