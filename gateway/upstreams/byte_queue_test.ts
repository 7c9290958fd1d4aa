import { assertEquals, assertFalse, assertRejects } from "@std/assert";
import fc from "fast-check";
import { ByteQueue } from "./byte_queue.ts";

function bytes(...values: number[]): Uint8Array {
  return new Uint8Array(values);
}

function queue(): { queue: ByteQueue; cancelled: () => number; drained: () => number } {
  let cancelled = 0;
  let drained = 0;
  return {
    queue: new ByteQueue(() => cancelled++, () => drained++),
    cancelled: () => cancelled,
    drained: () => drained,
  };
}

Deno.test("ByteQueue joins what waits together", async () => {
  const { queue: it } = queue();
  it.push(bytes(1));
  it.push(bytes(2, 3));
  assertEquals(await it.read(), bytes(1, 2, 3));
  const read = it.read();
  it.push(bytes(4));
  it.push(bytes(5));
  assertEquals(await read, bytes(4, 5));
});

Deno.test("ByteQueue gives all bytes before the end and before an error", async () => {
  const ended = queue().queue;
  ended.push(bytes(1));
  ended.end();
  assertEquals([await ended.read(), await ended.read(), await ended.read()], [
    bytes(1),
    null,
    null,
  ]);
  const failed = queue().queue;
  failed.push(bytes(1));
  failed.fail(new Error("broke"));
  assertEquals(await failed.read(), bytes(1));
  await assertRejects(() => failed.read(), Error, "broke");
});

Deno.test("ByteQueue wakes a reader at the end, at an error and when it is cancelled", async () => {
  for (const act of [(it: ByteQueue) => it.end(), (it: ByteQueue) => it.cancel()]) {
    const { queue: it } = queue();
    const read = it.read();
    act(it);
    assertEquals(await read, null);
  }
  const { queue: it } = queue();
  const read = it.read();
  it.fail(new Error("broke"));
  await assertRejects(() => read, Error, "broke");
});

Deno.test("ByteQueue cancels once and takes nothing after it", async () => {
  const { queue: it, cancelled } = queue();
  it.push(bytes(1));
  it.cancel();
  it.cancel();
  it.push(bytes(2));
  it.fail(new Error("late"));
  assertEquals([await it.read(), cancelled()], [null, 1]);
});

Deno.test("ByteQueue asks its producer to pause and tells it when to go on", async () => {
  const { queue: it, drained } = queue();
  assertEquals(it.push(new Uint8Array(200_000)), true);
  assertFalse(it.push(new Uint8Array(200_000)));
  assertEquals(drained(), 0);
  assertEquals((await it.read())?.length, 400_000);
  assertEquals(drained(), 1);
});

Deno.test("ByteQueue loses and reorders nothing, however it is fed and read", async () => {
  const action = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 5 }),
    fc.constant("read"),
    fc.constant("turn"),
  );
  await fc.assert(fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
    const { queue: it } = queue();
    const sent: number[] = [];
    const got: number[] = [];
    let reading: Promise<void> | null = null;
    const read = () => it.read().then((chunk) => void got.push(...(chunk ?? [])));
    for (const act of actions) {
      if (act === "turn") await Promise.resolve();
      else if (act === "read") reading = reading === null ? read() : reading.then(read);
      else {
        sent.push(...act);
        it.push(act);
      }
    }
    it.end();
    await reading;
    for (let chunk = await it.read(); chunk !== null; chunk = await it.read()) got.push(...chunk);
    assertEquals(got, sent);
  }));
});
