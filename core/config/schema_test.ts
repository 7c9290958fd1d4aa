import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { configSchema, findModel } from "./schema.ts";

const config = configSchema.parse({
  upstreams: { u: { base_url: "http://u" } },
  models: {
    "a": { upstream: "u", model: "real-a" },
    "a-*": { upstream: "u" },
    "a-b-*": { upstream: "u", model: "fixed" },
  },
});

Deno.test("findModel prefers the exact name, then the longest prefix", () => {
  assertEquals(findModel(config, "a")?.upstreamModel, "real-a");
  assertEquals(findModel(config, "a-x")?.upstreamModel, "a-x");
  assertEquals(findModel(config, "a-b-c")?.upstreamModel, "fixed");
  assertEquals(findModel(config, "b"), null);
});

Deno.test("findModel does not take a pattern for a name", () => {
  assertEquals(findModel(config, "a-*")?.upstreamModel, "a-*");
  assertEquals(findModel(config, "a-*")?.key, "a-*");
});

Deno.test("findModel is not fooled by names that objects inherit", () => {
  for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
    assertEquals(findModel(config, name), null);
  }
});

Deno.test("configSchema never throws, whatever it is given", () => {
  fc.assert(fc.property(fc.anything(), (value) => {
    configSchema.safeParse(value);
    configSchema.safeParse({ models: value, upstreams: value, gateway: value });
  }));
});
