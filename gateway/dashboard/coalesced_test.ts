import { assertEquals, assertRejects } from "@std/assert";
import { FakeClock } from "@synth/core";
import { Coalesced } from "./coalesced.ts";

function counting(shared: boolean): {
  clock: FakeClock;
  asked: PromiseWithResolvers<number>[];
  reads: Coalesced<number>;
} {
  const clock = new FakeClock();
  const asked: PromiseWithResolvers<number>[] = [];
  const read = (): Promise<number> => {
    const one = Promise.withResolvers<number>();
    asked.push(one);
    return one.promise;
  };
  return { clock, asked, reads: new Coalesced({ clock, intervalMs: 2000, shared, read }) };
}

Deno.test("Coalesced asks once in an interval for each org, however many want to know", async () => {
  const { clock, asked, reads } = counting(true);
  const many = Promise.all(Array.from({ length: 50 }, () => reads.get("a")));
  assertEquals(asked.length, 1);
  asked[0]?.resolve(7);
  assertEquals(new Set(await many), new Set([7]));
  await clock.tick(1999);
  assertEquals(await reads.get("a"), 7);
  const other = reads.get("b");
  assertEquals(asked.length, 2);
  asked[1]?.resolve(1);
  assertEquals(await other, 1);
  await clock.tick(1);
  const again = reads.get("a");
  asked[2]?.resolve(8);
  assertEquals(await again, 8);
});

Deno.test("Coalesced does not ask a second time while a slow store has not answered", async () => {
  const { clock, asked, reads } = counting(true);
  const first = reads.get("a");
  await clock.tick(60_000);
  const second = reads.get("a");
  assertEquals(asked.length, 1);
  asked[0]?.resolve(3);
  assertEquals([await first, await second], [3, 3]);
});

Deno.test("Coalesced remembers a failure as long as an answer", async () => {
  const { clock, asked, reads } = counting(true);
  const first = reads.get("a");
  asked[0]?.reject(new Error("down"));
  await assertRejects(() => first, Error, "down");
  await assertRejects(() => reads.get("a"), Error, "down");
  assertEquals(asked.length, 1);
  await clock.tick(2000);
  const again = reads.get("a");
  asked[1]?.resolve(1);
  assertEquals(await again, 1);
});

Deno.test("Coalesced asks anew after forget()", async () => {
  const { asked, reads } = counting(true);
  const first = reads.get("a");
  asked[0]?.resolve(1);
  await first;
  reads.forget("a");
  const again = reads.get("a");
  asked[1]?.resolve(2);
  assertEquals(await again, 2);
});

Deno.test("Coalesced never lets one request wait for another's where that is forbidden", async () => {
  const { clock, asked, reads } = counting(false);
  const first = reads.get("a");
  const second = reads.get("a");
  assertEquals(asked.length, 2);
  asked[1]?.resolve(2);
  assertEquals(await second, 2);
  asked[0]?.resolve(1);
  assertEquals(await first, 1);
  // The answer that was asked for last is shared as data, also while the next one is awaited.
  assertEquals(await reads.get("a"), 2);
  await clock.tick(2000);
  const third = reads.get("a");
  assertEquals(await reads.get("a"), 2);
  asked[2]?.resolve(3);
  assertEquals(await third, 3);
});
