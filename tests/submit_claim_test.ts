/** Who may answer a submission with a key: gateways whose clocks differ, one that ended in the middle, one that comes back too late. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { FakeClock, newId, SynthError } from "@synth/core";
import { configSchema } from "@synth/core/config";
import { createSealer, generateSealKey, parseSealKeys } from "../gateway/bridge/seal.ts";
import { RequestContext } from "../gateway/http/request_context.ts";
import { newResponseId } from "../gateway/responses/response_ids.ts";
import { ResponseStore } from "../gateway/responses/response_store.ts";
import { claimSubmission } from "../gateway/responses/submission_claim.ts";
import type { Services } from "../gateway/services.ts";
import { startRedis } from "./support/redis_server.ts";
import { openDocuments, STORE_KINDS } from "./support/stored_bench.ts";

const redis = await startRedis();
Deno.test.afterAll(async () => await redis[Symbol.asyncDispose]());

const YEAR_MS = 365 * 86_400_000;

async function open(kind: (typeof STORE_KINDS)[number]) {
  const stack = new AsyncDisposableStack();
  const time = new FakeClock(Date.now());
  const documents = await openDocuments(kind, redis, time, stack);
  const responses = new ResponseStore(
    documents,
    createSealer(parseSealKeys(generateSealKey("k"))),
  );
  const services = { documents, responses } as unknown as Services;
  const org = newId("o");
  return {
    documents,
    time,
    org,
    /** Claims on a machine whose clock is this much ahead of the store's. */
    claim(aheadMs = 0, asked: unknown = "body") {
      const context = new RequestContext({
        request: new Request("http://gateway.test/"),
        params: {},
        snapshot: { config: configSchema.parse({}) } as RequestContext["snapshot"],
        clock: new FakeClock(Date.now() + aheadMs),
        onFinish() {},
        waitUntil() {},
      });
      context.principal = { org, user: "u", keyId: "key", scopes: new Set(), expiresAt: null };
      const responseId = newResponseId(true);
      return claimSubmission(context, services, { parent: "p", key: "k", asked, responseId });
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function refusal(claimed: Promise<unknown>): Promise<string> {
  const error = await assertRejects(() => claimed, SynthError);
  return (error as SynthError).code;
}

/** The one claim there is. */
async function age(it: Awaited<ReturnType<typeof open>>, busyMs: number): Promise<void> {
  const { documents } = await it.documents.list(it.org, "response_keys");
  const one = documents.find(({ id }) => id.startsWith("rk_"))!;
  const value = { ...one.value as { [name: string]: string }, busyMs };
  await it.documents.put(it.org, "response_keys", one.id, value);
}

for (const kind of STORE_KINDS) {
  Deno.test(`claimSubmission goes by the store's time, whatever the machine's is (${kind})`, async () => {
    await using it = await open(kind);
    const first = await it.claim();
    assert(first.kind === "mine");
    for (const ahead of [0, YEAR_MS, -YEAR_MS]) {
      assertEquals(await refusal(it.claim(ahead)), "idempotency_in_progress");
      assertEquals(await refusal(it.claim(ahead, "other")), "idempotency_conflict");
    }
    await age(it, -1);
    const second = await it.claim(-YEAR_MS);
    assertEquals(second.kind, "mine");
    assertEquals(await refusal(it.claim(YEAR_MS)), "idempotency_in_progress");
  });

  Deno.test(`claimSubmission is given back once, by whoever has it (${kind})`, async () => {
    await using it = await open(kind);
    const first = await it.claim();
    assert(first.kind === "mine");
    // Its gateway is thought to have ended, and has not.
    await age(it, -1);
    const second = await it.claim();
    assert(second.kind === "mine");
    await second.release();
    const third = await it.claim(0, "another body, after a failure");
    assert(third.kind === "mine");
    await first.release();
    await second.release();
    assertEquals(await refusal(it.claim()), "idempotency_conflict");
    await third.release();
    const racing = await Promise.allSettled(Array.from({ length: 8 }, () => it.claim()));
    assertEquals(racing.filter(({ status }) => status === "fulfilled").length, 1);
  });
}

Deno.test("claimSubmission frees a key when the deadline of whoever claimed it is over, and not before (SQLite)", async () => {
  await using it = await open("SQLite");
  await it.claim();
  await it.time.tick(660_000);
  assertEquals(await refusal(it.claim()), "idempotency_in_progress");
  await it.time.tick(2);
  assertEquals((await it.claim()).kind, "mine");
});
