import { assert, assertEquals } from "@std/assert";
import { FakeClock } from "@synth/core";
import { SseParser } from "@synth/core/sse";
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

Deno.test("chatEvents gives a JSON answer as one event, as it is or as bytes", async () => {
  const clock = new FakeClock();
  const services = { clock } as unknown as Services;
  const snapshot = { config: { gateway: { idle_timeout_s: 3 } } };
  const context = { clock, snapshot, fields: {} } as unknown as RequestContext;
  const json = '{\r\n "choices": [{"message": {"content": "grüß\\u2028 sk-upstream"}}]\n}';
  const open = async (): Promise<ByteSource> => {
    // In pieces that cut a character, in a buffer that is used again.
    const bytes = new TextEncoder().encode(json);
    const buffer = new Uint8Array(7);
    let at = 0;
    const body: ByteSource = {
      read() {
        const part = bytes.subarray(at, at += buffer.length);
        buffer.set(part);
        return Promise.resolve(part.length === 0 ? null : buffer.subarray(0, part.length));
      },
      cancel() {},
    };
    const headers = new Headers({ "content-type": "application/json" });
    const reply = { status: 200, headers, body } as unknown as TransportReply;
    const result = await chatEvents(reply, services, {} as Lease, context, "sk-upstream");
    assert("source" in result);
    return result.source;
  };
  const value = JSON.parse(json.replace("sk-upstream", "[redacted]"));
  const whole = await open();
  const answer = whole.takeEvent?.();
  assertEquals([answer?.json, JSON.parse(answer?.text ?? "")], [value, value]);
  assertEquals([whole.takeEvent?.(), await whole.read()], [null, null]);
  const read = await open();
  const events: string[] = [];
  const parser = new SseParser({ onEvent: (data) => void events.push(data) });
  for (let bytes = await read.read(); bytes !== null; bytes = await read.read()) parser.push(bytes);
  assertEquals(events.length, 2);
  assertEquals([JSON.parse(events[0] ?? ""), events[1]], [value, "[DONE]"]);
  const left = await open();
  left.cancel();
  assertEquals([left.takeEvent?.(), await left.read()], [null, null]);
});
