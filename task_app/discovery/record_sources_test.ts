import { assertEquals } from "@std/assert";
import type { DeploymentServiceRecord } from "../records/types.ts";
import { recordCandidates } from "./record_sources.ts";

const RECORD: DeploymentServiceRecord = {
  id: "dep_1",
  type: "deployment",
  target: "local",
  url: "http://127.0.0.1:8001",
  created_at: "2026-11-22T00:00:00.000Z",
  port: 8001,
  local_host: "127.0.0.1",
  pid: 1,
  pid_started: null,
  pid_scope: null,
};

Deno.test("recordCandidates looks at deployments on this machine and wakes none on Modal", () => {
  const found = recordCandidates([
    RECORD,
    { ...RECORD, id: "dep_2", target: "modal", url: "https://me--app.modal.run", port: null },
    // One that is being started.
    { ...RECORD, id: "dep_3", url: "about:blank", port: null },
  ]);
  assertEquals(found.map(({ recordId }) => recordId), ["dep_1"]);
});
