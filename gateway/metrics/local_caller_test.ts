import { assertEquals } from "@std/assert";
import { isLocalCaller } from "./local_caller.ts";

function asked(peer: string | null, headers: HeadersInit = {}, host = "127.0.0.1:8787"): boolean {
  return isLocalCaller(new Request(`http://${host}/metrics`, { headers }), peer);
}

Deno.test("isLocalCaller is true for loopback sockets and local names", () => {
  for (const peer of ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"]) {
    for (const host of ["127.0.0.1:8787", "localhost:8787", "[::1]:8787"]) {
      assertEquals(asked(peer, {}, host), true, `${peer} ${host}`);
    }
  }
});

Deno.test("isLocalCaller is false for other sockets, also when they claim to be local", () => {
  for (const peer of [null, "", "10.0.0.1", "127.0.0.1.evil", "::", "fe80::1", "::ffff:10.0.0.1"]) {
    assertEquals(asked(peer), false, String(peer));
    assertEquals(asked(peer, { "x-forwarded-for": "127.0.0.1" }), false);
  }
});

Deno.test("isLocalCaller is false behind a proxy on this machine", () => {
  for (
    const name of [
      "forwarded",
      "x-forwarded-for",
      "x-forwarded-host",
      "x-forwarded-proto",
      "X-Forwarded-Anything",
      "x-real-ip",
      "via",
      "cf-connecting-ip",
      "true-client-ip",
    ]
  ) assertEquals(asked("127.0.0.1", { [name]: "1" }), false, name);
});

Deno.test("isLocalCaller is false for other sites' pages and for names pointed here", () => {
  assertEquals(asked("127.0.0.1", {}, "evil.example"), false);
  assertEquals(asked("127.0.0.1", {}, "127.0.0.1.nip.example:8787"), false);
  assertEquals(asked("127.0.0.1", { origin: "https://evil.example" }), false);
  assertEquals(asked("127.0.0.1", { origin: "null" }), false);
  assertEquals(asked("127.0.0.1", { "sec-fetch-site": "cross-site" }), false);
  assertEquals(asked("127.0.0.1", { "sec-fetch-site": "none" }), true);
});
