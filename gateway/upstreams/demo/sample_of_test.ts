import { assert, assertEquals } from "@std/assert";
import { sampleOf } from "./sample_of.ts";

Deno.test("sampleOf stays small for a schema that refers to itself in many places", () => {
  const properties: Record<string, unknown> = {};
  for (let i = 0; i < 20; i++) properties[`p${i}`] = { $ref: "#" };
  const wide = { type: "object", properties, required: Object.keys(properties) };
  const lists: Record<string, unknown> = {
    type: "array",
    minItems: 64,
    items: { type: "array", minItems: 64, items: { $ref: "#" } },
  };
  for (const schema of [wide, lists]) {
    assert(JSON.stringify(sampleOf(schema)).length < 100_000);
  }
});

Deno.test("sampleOf fills what is required", () => {
  const schema = {
    type: "object",
    properties: {
      name: { type: "string", minLength: 6 },
      many: { type: "array", minItems: 2, items: { type: "integer", minimum: 3 } },
      no: { type: "string" },
    },
    required: ["name", "many"],
  };
  assertEquals(sampleOf(schema), { name: "demooo", many: [3, 3] });
});
