/** HEAD: the head that GET has, and no body. */
import { assertEquals } from "@std/assert";
import { serveGateway } from "@synth/gateway/deno";
import { sendRaw } from "./support/raw_client.ts";
import { startGateway, TEST_KEY } from "./support/test_gateway.ts";

Deno.test("HEAD tells the length that GET has, on every kind of path, and sends no body", async () => {
  await using it = await startGateway();
  const server = serveGateway(it.gateway, { hostname: "127.0.0.1", port: 0 });
  const ask = (method: string, path: string) =>
    sendRaw(
      server.port,
      `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${TEST_KEY}\r\n` +
        "x-request-id: asked-1\r\nconnection: close\r\n\r\n",
    );
  // Without a parameter, with one, nothing there, another method, a page.
  const paths = [
    "/health",
    "/v1/models/synth-demo",
    "/v1/responses/resp_1",
    "/nowhere",
    "/v1/chat/completions",
    "/docs",
  ];
  for (const path of paths) {
    const [got, head] = [await ask("GET", path), await ask("HEAD", path)];
    assertEquals([head.status, head.body], [got.status, ""], path);
    for (const name of ["content-length", "content-type"]) {
      assertEquals(head.headers.get(name), got.headers.get(name), `${path} ${name}`);
    }
    assertEquals(Number(head.headers.get("content-length")) > 0, true, path);
  }
  assertEquals(it.gateway.active, 0);
  await server.stop();
});

Deno.test("HEAD of a Host that is no name is answered as GET is", async () => {
  await using it = await startGateway();
  const server = serveGateway(it.gateway, { hostname: "127.0.0.1", port: 0 });
  for (const host of ["[", "a b", "%00", "x:99999"]) {
    for (const path of ["/nowhere", "/health", "/v1/models/a"]) {
      const [got, head] = await Promise.all(["GET", "HEAD"].map((method) => {
        const lines = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`;
        return sendRaw(server.port, lines);
      }));
      assertEquals(head!.status, got!.status, `${path} ${host}`);
    }
  }
  await server.stop();
});

Deno.test("HEAD is logged as what it is", async () => {
  await using it = await startGateway();
  for (const path of ["/v1/models", "/v1/models/synth-demo"]) {
    const headers = { authorization: `Bearer ${TEST_KEY}` };
    const request = new Request(`http://gateway.test${path}`, { method: "HEAD", headers });
    await (await it.gateway.fetch(request)).body?.cancel();
    assertEquals(JSON.parse(it.lines.at(-1)!).method, "HEAD");
  }
});
