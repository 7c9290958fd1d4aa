import { assertEquals } from "@std/assert";
import { systemClock } from "@synth/core";
import { findTunnelProcesses, readTunnelProcess } from "./cloudflared_processes.ts";
import { parseProcessList } from "./system.ts";

Deno.test("parseProcessList keeps processes of cloudflared, and nothing else", () => {
  const text = [
    "  101 /usr/local/bin/cloudflared tunnel --url http://127.0.0.1:8001",
    "102 cloudflared-linux-amd64 tunnel run --token eyJhIjoi",
    "103 grep cloudflared",
    "104 vim /etc/cloudflared/config.yml",
    "105 /usr/bin/deno /opt/cloudflared tunnel --url http://localhost:9",
    "x cloudflared",
    "",
  ].join("\n");
  assertEquals(parseProcessList(text).map(({ pid }) => pid), [101, 102, 105]);
});

Deno.test("readTunnelProcess tells quick tunnels from managed ones, and takes metrics on loopback alone", () => {
  const read = (args: string) => readTunnelProcess({ pid: 1, args: args.split(" ") });
  assertEquals(
    read("tunnel --url http://127.0.0.1:8001 --metrics 127.0.0.1:4000 --no-autoupdate"),
    { pid: 1, mode: "quick", port: 8001, metrics: "http://127.0.0.1:4000" },
  );
  assertEquals(read("tunnel --url=localhost:8002 --metrics=10.0.0.1:4000"), {
    pid: 1,
    mode: "quick",
    port: 8002,
    metrics: null,
  });
  assertEquals(read("tunnel run --token secret my-tunnel"), {
    pid: 1,
    mode: "managed",
    port: null,
    metrics: null,
  });
  assertEquals(read("tunnel --url unix:/tmp/x.sock")?.port, null);
  assertEquals(read("access login"), null);
});

Deno.test("findTunnelProcesses asks metrics servers for the public names", async () => {
  await using quick = metrics("one-two.trycloudflare.com", 8001);
  await using managed = metrics("", 8002, "team.example");
  const found = await find([
    { pid: 11, args: ["tunnel", "--url", "http://127.0.0.1:8001", "--metrics", quick.address] },
    { pid: 12, args: ["tunnel", "--metrics", managed.address, "run"] },
    { pid: 13, args: ["tunnel", "--url", "http://127.0.0.1:8003", "--metrics", "127.0.0.1:1"] },
  ], []);
  assertEquals(found.sort((a, b) => Number(a[0]) - Number(b[0])), [
    [11, "https://one-two.trycloudflare.com", "quick", 8001],
    [12, "https://team.example", "managed", 8002],
  ]);
});

Deno.test("findTunnelProcesses pairs names with processes by their ports where no metrics address was given", async () => {
  await using one = metrics("one.trycloudflare.com", 8001);
  await using two = metrics("two.trycloudflare.com", 8002);
  const found = await find([
    { pid: 21, args: ["tunnel", "--url", "http://127.0.0.1:8002"] },
    { pid: 22, args: ["tunnel", "--url", "http://127.0.0.1:8001"] },
  ], [`http://${one.address}`, `http://${two.address}`]);
  assertEquals(found.sort((a, b) => Number(a[0]) - Number(b[0])), [
    [21, "https://two.trycloudflare.com", "quick", 8002],
    [22, "https://one.trycloudflare.com", "quick", 8001],
  ]);
});

Deno.test("findTunnelProcesses believes no name that is none", async () => {
  await using odd = metrics("evil.example/path?x=", 8001);
  assertEquals(
    await find([{ pid: 1, args: ["tunnel", "--url", "h:8001", "--metrics", odd.address] }], []),
    [],
  );
});

async function find(processes: { pid: number; args: string[] }[], defaultMetrics: string[]) {
  const { candidates } = await findTunnelProcesses({
    processes: () => Promise.resolve(processes),
    fetch,
    clock: systemClock,
    timeoutMs: 5_000,
    signal: new AbortController().signal,
    defaultMetrics,
  });
  return candidates.map(({ metadata, url, mode, port }) => [metadata["pid"], url, mode, port]);
}

/** The metrics server of a `cloudflared`: `/quicktunnel` and `/config`. */
function metrics(
  quick: string,
  port: number,
  hostname?: string,
): AsyncDisposable & { address: string } {
  const rule = {
    ...(hostname === undefined ? {} : { hostname }),
    service: `http://localhost:${port}`,
  };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/quicktunnel") return Response.json({ hostname: quick });
    if (pathname === "/config") {
      return Response.json({
        version: 1,
        config: { ingress: [rule, { service: "http_status:404" }] },
      });
    }
    return new Response(null, { status: 404 });
  });
  return {
    address: `127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
