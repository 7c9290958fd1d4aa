import { assert, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { DrawnSections } from "./drawn_sections.ts";
import type { RunningCall } from "./running.ts";
import type { SectionsInput } from "./views/sections.tsx";

const CALL: RunningCall = { id: "req_1", model: "m", user: "ada", since: 5, streaming: true };
const KEYS = { keys: [], more: false };

function input(change: Partial<SectionsInput> = {}): SectionsInput {
  // What OrgReader gives: a new object around what was read.
  const view = { live: null, oldSessions: [], spend: null, keys: KEYS, taskApps: null };
  return { view, admin: true, running: [], now: 1000, ...change };
}

Deno.test("DrawnSections draws once for all pages, and anew when something was read, runs or has aged", () => {
  const drawn = new DrawnSections();
  const first = drawn.of("acme", input());
  assertStrictEquals(drawn.of("acme", input({ now: 10_999 })), first);
  assertNotStrictEquals(drawn.of("acme", input({ now: 11_000 })), first);

  const second = drawn.of("acme", input());
  const running = drawn.of("acme", input({ running: [CALL] }));
  assertNotStrictEquals(running, second);
  assert(running.get("running")?.includes("ada"));
  // A call's beginning is reckoned each time, to fractions of a millisecond.
  assertStrictEquals(
    drawn.of("acme", input({ running: [{ ...CALL, since: 5.01 }] })),
    running,
  );
  const read = { ...input().view, keys: { keys: [], more: false } };
  assertNotStrictEquals(drawn.of("acme", input({ view: read, running: [CALL] })), running);
});

Deno.test("DrawnSections shows nobody what was drawn for another org or for admins", () => {
  const drawn = new DrawnSections();
  const first = drawn.of("acme", input());
  assert(first.has("keys"));
  assert(!drawn.of("acme", input({ admin: false })).has("keys"));
  assertNotStrictEquals(drawn.of("other", input()), first);
  for (let n = 0; n < 40; n++) drawn.of(`org-${n}`, input());
  assertNotStrictEquals(drawn.of("acme", input()), first);
});
