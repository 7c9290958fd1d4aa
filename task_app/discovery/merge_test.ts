import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseHttpUrl, serverIdentity } from "./identity.ts";
import { mergeCandidates } from "./merge.ts";
import type { Candidate, DiscoveryMethod } from "./types.ts";

const METHODS: readonly DiscoveryMethod[] = [
  "service_records",
  "tunnel_records",
  "backend_api",
  "cloudflared_process",
  "port_scan",
  "registry",
];
const PRIORITY = [1, 1, 2, 2, 3, 4];

Deno.test("mergeCandidates takes the best source's address, whichever came first", () => {
  for (const [i, one] of METHODS.entries()) {
    for (const [j, two] of METHODS.entries()) {
      const [merged] = mergeCandidates([
        candidate({ via: one, url: "http://localhost:8001" }),
        candidate({ via: two, url: "http://127.0.0.1:8001/" }),
      ]);
      const secondWins = (PRIORITY[j] ?? 0) < (PRIORITY[i] ?? 0);
      assertEquals(merged?.via, secondWins ? two : one, `${one}, ${two}`);
      assertEquals(merged?.url, secondWins ? "http://127.0.0.1:8001/" : "http://localhost:8001");
      assertEquals(merged?.sources.length, one === two ? 1 : 2);
    }
  }
});

Deno.test("mergeCandidates keeps what only a lesser source knows, and trust", () => {
  const merged = mergeCandidates([
    candidate({ via: "port_scan", port: 8001, metadata: { a: 1, b: 1 } }),
    candidate({
      via: "service_records",
      port: null,
      trusted: true,
      recordId: "svc",
      metadata: { b: 2 },
    }),
    candidate({ via: "registry", appId: "app" }),
  ]);
  assertEquals(
    merged.map(({ port, appId, trusted, recordId, metadata }) => ({
      port,
      appId,
      trusted,
      recordId,
      metadata,
    })),
    [{ port: 8001, appId: "app", trusted: true, recordId: "svc", metadata: { a: 1, b: 2 } }],
  );
});

Deno.test("mergeCandidates loses no server and no source, and the best source has the word", () => {
  const hosts = ["localhost", "127.0.0.1", "[::1]", "0.0.0.0", "a.example", "b.example"];
  const source = fc.record({
    via: fc.constantFrom(...METHODS),
    host: fc.constantFrom(...hosts),
    port: fc.integer({ min: 8000, max: 8003 }),
  });
  fc.assert(fc.property(fc.array(source, { maxLength: 12 }), (sources) => {
    const candidates = sources.map(({ via, host, port }) =>
      candidate({ via, url: `http://${host}:${port}` })
    );
    const merged = mergeCandidates(candidates);
    const identities = new Set(candidates.map(({ url }) => identity(url)));
    assertEquals(merged.length, identities.size);
    for (const entry of merged) {
      const same = candidates.filter(({ url }) => identity(url) === identity(entry.url));
      assertEquals(rank(entry.via), Math.min(...same.map(({ via }) => rank(via))));
      assertEquals(new Set(entry.sources), new Set(same.map(({ via }) => via)));
    }
  }));
});

Deno.test("serverIdentity is one for every way to write a loopback server, and no other", () => {
  const same = [
    "http://localhost:80",
    "http://127.0.0.1/",
    "http://127.9.9.9",
    "http://[::1]:80/",
    "http://0.0.0.0",
    "http://LOCALHOST./",
  ];
  assertEquals(new Set(same.map(identity)).size, 1);
  const others = [
    "https://localhost",
    "http://localhost:81",
    "http://localhost/app",
    "http://localhost.example",
    "http://127.0.0.1.example",
  ];
  assertEquals(new Set([same[0] ?? "", ...others].map(identity)).size, 6);
});

function rank(via: DiscoveryMethod): number {
  return PRIORITY[METHODS.indexOf(via)] ?? 0;
}

function identity(text: string): string {
  const url = parseHttpUrl(text);
  return url === null ? "" : serverIdentity(url);
}

function candidate(fields: Partial<Candidate>): Candidate {
  return {
    url: "http://localhost:8001",
    via: "port_scan",
    type: "local",
    port: null,
    mode: null,
    hostname: null,
    appId: null,
    metadata: {},
    trusted: false,
    recordId: null,
    ...fields,
  };
}
