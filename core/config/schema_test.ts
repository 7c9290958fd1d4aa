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

Deno.test("configSchema takes [tunnels] whole or not at all, and sends its token to no plain address", () => {
  const id = "0123456789abcdef0123456789abcdef";
  const whole = { domain: "t.example.com", account_id: id, zone_id: id, api_token_env: "CF_TOKEN" };
  const problems = (tunnels: Record<string, unknown>): string[] =>
    (configSchema.safeParse({ tunnels }).error?.issues ?? []).map(({ path }) => path.join("."));
  assertEquals(problems({}), []);
  assertEquals(problems({ domain: "t.example.com" }), []);
  assertEquals(problems(whole), []);
  assertEquals(problems({ ...whole, api_url: "http://127.0.0.1:9/client/v4" }), []);
  assertEquals(problems({ ...whole, api_url: "http://localhost.evil.example" }), [
    "tunnels.api_url",
  ]);
  assertEquals(problems({ ...whole, api_url: "http://a.example" }), ["tunnels.api_url"]);
  assertEquals(problems({ ...whole, api_token_file: "/f" }), ["tunnels.api_token_file"]);
  assertEquals(problems({ account_id: id }), [
    "tunnels.domain",
    "tunnels.zone_id",
    "tunnels.api_token_env",
  ]);
  for (const domain of ["localhost", "-a.example", "a..example", "EXAMPLE.com", "a.example.", ""]) {
    assertEquals(problems({ ...whole, domain }), ["tunnels.domain"]);
  }
  assertEquals(problems({ ...whole, zone_id: "../../x" }), ["tunnels.zone_id"]);
});
