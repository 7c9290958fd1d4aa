/**
 * The floor: a bare Hono app that passes bodies on, unread, both ways.
 *
 *     deno run --allow-net --allow-env bench/gateway/pass_through.ts http://127.0.0.1:PORT
 *
 * Prints its port.
 *
 * @module
 */
import { Hono } from "hono";

const upstream = Deno.args[0] ?? "";
const app = new Hono();

app.post("/:mode/v1/chat/completions", async (c) => {
  const answer = await fetch(`${upstream}/${c.req.param("mode")}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: await c.req.arrayBuffer(),
  });
  const type = answer.headers.get("content-type") ?? "application/json";
  return new Response(answer.body, { status: answer.status, headers: { "content-type": type } });
});

const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, app.fetch);
await Deno.stdout.write(new TextEncoder().encode(`${server.addr.port}\n`));
