import { assert, assertEquals } from "@std/assert";
import { FakeClock } from "@synth/core";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import type { Lease } from "../sessions/lease.ts";
import type { ByteSource, TransportReply } from "../upstreams/transport.ts";
import { chatEvents } from "./chat_events.ts";

function stalling(begin: string): ByteSource {
  const end = Promise.withResolvers<null>();
  let left: string | null = begin;
  return {
    read() {
      const given = left;
      left = null;
      return given === null ? end.promise : Promise.resolve(new TextEncoder().encode(given));
    },
    cancel: () => end.resolve(null),
  };
}

Deno.test("chatEvents tells a body that never ends from one that is no JSON", async () => {
  const clock = new FakeClock();
  let charged = 0;
  const admission = {
    charge() {
      charged++;
      return Promise.resolve();
    },
  };
  const services = { clock, admission } as unknown as Services;
  const snapshot = { config: { gateway: { idle_timeout_s: 3 } } };
  const context = { clock, snapshot, fields: {} } as unknown as RequestContext;
  const reply = {
    status: 200,
    headers: new Headers({ "content-type": "application/json" }),
    body: stalling('{"choices":['),
  } as unknown as TransportReply;
  const pending = chatEvents(reply, services, {} as Lease, context, null);
  await clock.tick(3000);
  const result = await pending;
  assert("error" in result);
  assertEquals([result.error.code, result.error.status], ["upstream_timeout", 504]);
  assertEquals(charged, 1);
});
