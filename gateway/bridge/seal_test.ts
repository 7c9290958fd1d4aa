import { assertEquals, assertMatch, assertNotEquals, assertThrows } from "@std/assert";
import { SynthError } from "@synth/core";
import fc from "fast-check";
import { createSealer, generateSealKey, parseSealKeys, type Sealed } from "./seal.ts";

const scope = { org: "org_a", model: "deepseek-chat" };
const content: Sealed = { kind: "reasoning", text: "think ☃", details: [{ type: "x" }] };

function sealerOf(...kids: string[]): { list: string; sealer: ReturnType<typeof createSealer> } {
  const list = kids.map(generateSealKey).join(",");
  return { list, sealer: createSealer(parseSealKeys(list)) };
}

Deno.test("Sealer gives back what it sealed, in a seal of the documented form", () => {
  const { sealer } = sealerOf("k1");
  const seal = sealer.seal(content, scope);
  assertMatch(seal, /^gwr1\.k1\.[A-Za-z0-9_-]+$/);
  assertEquals(sealer.open(seal, scope), content);
  assertNotEquals(sealer.seal(content, scope), seal, "the nonce is random");
});

Deno.test("Sealer returns null for another org, model, keyring and for every broken seal", () => {
  const { sealer } = sealerOf("k1");
  const seal = sealer.seal(content, scope);
  assertEquals(sealer.open(seal, { ...scope, org: "org_b" }), null);
  assertEquals(sealer.open(seal, { ...scope, model: "other" }), null);
  assertEquals(sealerOf("k1").sealer.open(seal, scope), null);
  assertEquals(sealerOf("k2").sealer.open(seal, scope), null);
  for (const bad of ["", "gwr1", "gwr1.", "gwr1.k1", "gwr1.k1.", "gwr1.k1.%%", "gwr1.k1.AAAA"]) {
    assertEquals(sealer.open(bad, scope), null, bad);
  }
});

Deno.test("Sealer opens nothing that is not exactly one of its seals", () => {
  const { sealer } = sealerOf("k1");
  const seal = sealer.seal(content, scope);
  fc.assert(fc.property(fc.string(), (text) => {
    assertEquals(sealer.open(text, scope), null);
    assertEquals(sealer.open(`gwr1.k1.${text}`, scope), null);
  }));
  const body = "gwr1.k1.".length;
  fc.assert(fc.property(fc.integer({ min: body, max: seal.length - 2 }), (at) => {
    const other = seal[at] === "A" ? "B" : "A";
    assertEquals(sealer.open(seal.slice(0, at) + other + seal.slice(at + 1), scope), null);
  }));
});

Deno.test("Sealer seals with the first key and opens with the rest", () => {
  const old = generateSealKey("old");
  const seal = createSealer(parseSealKeys(old)).seal(content, scope);
  const rotated = createSealer(parseSealKeys(`${generateSealKey("new")}, ${old}`));
  assertEquals(rotated.open(seal, scope), content);
  assertMatch(rotated.seal(content, scope), /^gwr1\.new\./);
});

Deno.test("parseSealKeys reads hex and base64, and never repeats a key in its error", () => {
  assertEquals(parseSealKeys(`a:${"0f".repeat(32)}`)[0]?.key, new Uint8Array(32).fill(15));
  for (const bad of ["", "k1", ":abc", "k1:c2hvcnQ", "k 1:abc", `a:${"0f".repeat(32)},a:x`]) {
    const error = assertThrows(() => parseSealKeys(bad), SynthError);
    assertEquals(error.code, "invalid_seal_keys");
    assertEquals(error.message.includes("c2hvcnQ"), false);
  }
});

Deno.test("Sealer.sealLater and openLater are the same as seal and open", async () => {
  const sealer = createSealer(parseSealKeys(generateSealKey("k")));
  const content = { kind: "document", text: "é🙂".repeat(1000) } as const;
  const scope = { org: "o", model: "m" };
  const later = await sealer.sealLater(content, scope);
  assertEquals(sealer.open(later, scope), content);
  // A nonce that comes twice under one key opens all that is sealed with it.
  const nonces = new Set([later.slice(0, 23)]);
  for (let n = 0; n < 50; n++) nonces.add((await sealer.sealLater(content, scope)).slice(0, 23));
  for (let n = 0; n < 50; n++) nonces.add(sealer.seal(content, scope).slice(0, 23));
  assertEquals(nonces.size, 101, "every nonce is random");
  assertEquals(await sealer.openLater(sealer.seal(content, scope), scope), content);
  assertEquals(await sealer.openLater(later, { org: "p", model: "m" }), null);
  assertEquals(await sealer.openLater(`${later.slice(0, -4)}AAAA`, scope), null);
  assertEquals(await sealer.openLater("gwr1.k.x", scope), null);
});
