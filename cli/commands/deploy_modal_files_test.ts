import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { secretName } from "./deploy_modal_files.ts";

Deno.test("secretName gives no two apps the same secret", () => {
  assertEquals(secretName({ name: "capitals" }), "capitals-task-app");
  assertEquals(secretName({ name: "a".repeat(54) }), `${"a".repeat(54)}-task-app`);
  const long = "a".repeat(60);
  const [one, two] = [secretName({ name: `${long}b` }), secretName({ name: `${long}c` })];
  assertNotEquals(one, two);
  assert(one.length <= 64 && one.endsWith("-task-app"));
});
