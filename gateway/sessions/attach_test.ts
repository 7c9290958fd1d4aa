import { assertEquals, assertThrows } from "@std/assert";
import { isSessionId, SynthError } from "@synth/core";
import { configSchema } from "@synth/core/config";
import { attachmentOf } from "./attach.ts";

const A = `sess_${"a".repeat(26)}`;
const B = `sess_${"b".repeat(26)}`;

function attach(headers: Record<string, string>, sessions: Record<string, unknown> = {}) {
  return attachmentOf(new Headers(headers), configSchema.parse({ sessions }).sessions);
}

function refusal(headers: Record<string, string>, sessions: Record<string, unknown> = {}) {
  const error = assertThrows(() => attach(headers, sessions), SynthError);
  return [error.status, error.code, error.headers["x-should-retry"]];
}

Deno.test("attachmentOf() takes X-Synth-Session-ID before all else", () => {
  for (const more of [{}, { "x-session-id": B }, { "x-no-session": "true" }]) {
    assertEquals(attach({ "x-synth-session-id": ` ${A} `, ...more }), { kind: "id", id: A });
  }
});

Deno.test("attachmentOf() refuses an X-Synth-Session-ID of another shape", () => {
  for (const id of ["", "nope", A.toUpperCase(), `${A}a`, A.slice(0, -1), `${A},${B}`]) {
    assertEquals(refusal({ "x-synth-session-id": id }), [400, "invalid_session_id", "false"], id);
  }
});

Deno.test("attachmentOf() takes an X-Session-ID of our shape and no other", () => {
  assertEquals(attach({ "x-session-id": A }), { kind: "id", id: A });
  for (const id of ["", "0198c6c2-7d39-7f4b-8b7a-1d2f3a4b5c6d", "sess_short", A.toUpperCase()]) {
    assertEquals(attach({ "x-session-id": id }).kind, "auto", id);
  }
});

Deno.test("attachmentOf() lets a request opt out where that is allowed", () => {
  for (const yes of ["true", "TRUE", " true ", "1"]) {
    assertEquals(attach({ "x-no-session": yes }), { kind: "none" });
    assertEquals(attach({ "x-no-session": yes, "x-session-id": A }), { kind: "none" });
    assertEquals(
      refusal({ "x-no-session": yes }, { allow_opt_out: false }),
      [403, "opt_out_disabled", "false"],
    );
  }
  for (const no of ["", "false", "0", "yes"]) {
    assertEquals(attach({ "x-no-session": no }, { allow_opt_out: false }).kind, "auto");
  }
});

Deno.test("attachmentOf() opens a session with the configured defaults, or asks for the active one", () => {
  const wanted = attach({}, { default_limit_cost_usd: 1.5, ttl_hours: 0.5 });
  if (wanted.kind !== "auto") throw new Error(wanted.kind);
  const { id, ttlMs, idleMs, limits } = wanted.open;
  assertEquals(isSessionId(id), true);
  assertEquals([ttlMs, idleMs], [1_800_000, null]);
  assertEquals(limits.map(({ metric, kind, value }) => [metric, kind, value]), [
    ["cost", "hard", 1_500_000_000n],
  ]);
  assertEquals(attach({}, { auto_open: false }), { kind: "active" });
  const usual = attach({});
  if (usual.kind !== "auto") throw new Error(usual.kind);
  assertEquals(usual.open.ttlMs, 86_400_000);
  assertEquals(usual.open.limits[0]?.value, 20_000_000_000n);
});
