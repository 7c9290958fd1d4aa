import { assert, assertEquals, assertFalse, assertMatch } from "@std/assert";
import { equalHashes, hashKey, hasKeyShape, isPresentable, newKey } from "./key.ts";

Deno.test("newKey has 256 bits behind its prefix", () => {
  const keys = Array.from({ length: 200 }, newKey);
  for (const key of keys) {
    assertMatch(key, /^sk_synth_[A-Za-z0-9_-]{43}$/);
    assert(hasKeyShape(key) && isPresentable(key));
  }
  assertEquals(new Set(keys).size, 200);
});

Deno.test("hashKey is SHA-256 in hex", async () => {
  assertEquals(hashKey(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  const key = newKey();
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key));
  assertEquals(
    hashKey(key),
    [...new Uint8Array(digest)].map((n) => n.toString(16).padStart(2, "0")).join(""),
  );
});

Deno.test("equalHashes compares all of both", () => {
  const hash = hashKey("a");
  assert(equalHashes(hash, hashKey("a")));
  for (let i = 0; i < hash.length; i++) {
    assertFalse(
      equalHashes(hash, hash.slice(0, i) + (hash[i] === "0" ? "1" : "0") + hash.slice(i + 1)),
    );
    assertFalse(equalHashes(hash, hash.slice(0, i)));
  }
});

Deno.test("isPresentable refuses what a header would not carry", () => {
  assert(isPresentable("x"));
  assert(isPresentable("x".repeat(512)));
  for (const text of ["", "x".repeat(513), "a b", "a\nb", "a\0", "é", "a\u2028", "a\x7f"]) {
    assertFalse(isPresentable(text), JSON.stringify(text));
  }
});
