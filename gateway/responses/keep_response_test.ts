import { assertEquals } from "@std/assert";
import { FakeClock, newId } from "@synth/core";
import { configSchema } from "@synth/core/config";
import { RequestContext } from "../http/request_context.ts";
import { keepResponse } from "./keep_response.ts";
import type { ResponseStore } from "./response_store.ts";
import type { StoredResponse } from "./stored_response.ts";

function start(save: () => Promise<void>) {
  const clock = new FakeClock();
  const kept: Promise<unknown>[] = [];
  const context = new RequestContext({
    request: new Request("http://gateway.test/"),
    params: {},
    snapshot: { config: configSchema.parse({}) } as RequestContext["snapshot"],
    clock,
    onFinish() {},
    waitUntil: (promise) => void kept.push(promise),
  });
  context.principal = {
    org: "o",
    user: "u",
    keyId: newId("key_"),
    scopes: new Set(),
    expiresAt: null,
  };
  const store = { save } as unknown as ResponseStore;
  const done = keepResponse(context, store, {} as StoredResponse);
  return { clock, kept, context, done };
}

Deno.test("keepResponse waits for two seconds and leaves the rest to the background", async () => {
  const gate = Promise.withResolvers<void>();
  const { clock, kept, context, done } = start(() => gate.promise);
  await clock.tick(2000);
  await done;
  assertEquals([context.fields["stored"], kept.length], ["late", 1]);
  gate.reject(new Error("it broke later"));
  await Promise.all(kept);
  assertEquals([context.fields["stored"], context.error?.message], ["failed", "it broke later"]);
});

Deno.test("keepResponse says nothing of what was stored in time", async () => {
  const { kept, context, done } = start(() => Promise.resolve());
  await done;
  assertEquals([context.fields["stored"], kept.length, context.error], [undefined, 0, null]);
});
